/**
 * Keeps a copy of a collection up to date: lists it in pages, then watches from there, for ever.
 *
 * Guarantees: after `replace`, every change is told once and in order; when the server has forgotten the position (410), the
 * collection is listed again, within a second that is left to chance; a watch that says nothing for `idleMs` is taken for dead and started anew from the last position;
 * failures wait with a growing, jittered delay. Works on any Client.
 */
import { isReason } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject, WatchEvent } from "../api/meta/types.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Client } from "./client.ts";

/** Who is told. Objects passed in belong to the receiver. */
interface ReflectorSink<T extends KubeObject> {
  /** The whole collection, as of `resourceVersion`. */
  replace(items: readonly T[], resourceVersion: string): void;
  /** One change after it. Bookmarks are told too: they move the position on. */
  apply(event: WatchEvent<T>): void;
}

export interface ReflectorOptions<T extends KubeObject> {
  client: Client;
  kind: Kind<T>;
  sink: ReflectorSink<T>;
  clock: Clock;
  log: Log;
  /** Absent: all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Objects per page of a list. Default 500. */
  pageSize?: number;
  /** The server ends a watch after this, and up to twice it, so that not all watches end together; it is resumed at once. Default 300 s. */
  watchSeconds?: number;
  /** Silence after which a watch is taken for dead; bookmarks come every minute. Default 150 s. */
  idleMs?: number;
  random?: () => number;
}

export interface Reflector {
  /** Resolves once the loop has ended. */
  stop(): Promise<void>;
}

const retry = { baseMs: 200, maxMs: 30_000, jitter: 0.5 };
/** A server that has forgotten one position, as after a restart, has forgotten those of all: they don't list at once. */
const listAgain = { baseMs: 1_000, maxMs: 1_000, jitter: 1 };

/** Starts following the collection. */
export function startReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector {
  const stopping = new AbortController();
  const loop = run(options, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}

async function run<T extends KubeObject>(options: ReflectorOptions<T>, stop: AbortSignal): Promise<void> {
  const { clock, log, kind } = options;
  let position: string | undefined;
  let failures = 0;
  while (!stop.aborted) {
    try {
      if (position === undefined) {
        position = await replaceAll(options, stop);
        if (position === undefined) return;
      }
      const watched = await watchFrom(options, position, stop);
      position = watched.position;
      // A watch that ends at once without a word would otherwise be asked for again in a busy loop.
      failures = watched.events > 0 || watched.lastedMs >= 1_000 ? 0 : failures + 1;
      if (watched.expired) {
        position = undefined;
        if (failures === 0) await sleep(clock, backoffMs(0, listAgain, options.random), stop);
      }
    } catch (error) {
      if (stop.aborted) return;
      failures += 1;
      log.warn({ kind: kind.kind, error, failures }, "Cannot follow a collection; trying again");
    }
    if (failures > 0) await sleep(clock, backoffMs(failures - 1, retry, options.random), stop);
  }
}

/**
 * Lists the collection anew. Gives the position of the list; undefined where it was stopped meanwhile.
 *
 * A function of its own: what waits for a watch keeps its variables alive, and the list would stay in memory for as long as the watch, beside all that came after it.
 */
async function replaceAll<T extends KubeObject>(
  options: ReflectorOptions<T>,
  stop: AbortSignal,
): Promise<string | undefined> {
  const { items, resourceVersion } = await listAll(options, stop);
  if (stop.aborted) return undefined;
  options.sink.replace(items, resourceVersion);
  return resourceVersion;
}

async function listAll<T extends KubeObject>(
  options: ReflectorOptions<T>,
  stop: AbortSignal,
): Promise<{ items: T[]; resourceVersion: string }> {
  const base = selection(options);
  const items: T[] = [];
  let next: string | undefined;
  do {
    try {
      const page = await options.client.list(options.kind, {
        ...base,
        limit: options.pageSize ?? 500,
        ...(next === undefined ? {} : { continue: next }),
      });
      items.push(...page.items);
      next = page.metadata.continue === "" ? undefined : page.metadata.continue;
      if (next === undefined) return { items, resourceVersion: page.metadata.resourceVersion };
    } catch (error) {
      if (next === undefined || !isReason(error, "Expired", "Gone")) throw error;
      // The pages' snapshot was compacted away while they were read: take it whole.
      const whole = await options.client.list(options.kind, base);
      return { items: whole.items, resourceVersion: whole.metadata.resourceVersion };
    }
  } while (!stop.aborted);
  return { items, resourceVersion: "" };
}

interface Watched {
  position: string;
  events: number;
  lastedMs: number;
  expired: boolean;
}

async function watchFrom<T extends KubeObject>(
  options: ReflectorOptions<T>,
  from: string,
  stop: AbortSignal,
): Promise<Watched> {
  const { clock, sink } = options;
  const ending = new AbortController();
  const end = () => ending.abort();
  stop.addEventListener("abort", end, { once: true });
  const idleMs = options.idleMs ?? 150_000;
  let cancelIdle = clock.after(idleMs, end);
  const watched: Watched = { position: from, events: 0, lastedMs: 0, expired: false };
  const started = clock.now();
  try {
    const stream = options.client.watch(options.kind, {
      ...selection(options),
      resourceVersion: from,
      allowBookmarks: true,
      timeoutSeconds: Math.round((options.watchSeconds ?? 300) * (1 + (options.random ?? Math.random)())),
      signal: ending.signal,
    });
    for await (const event of abortable(stream, ending.signal)) {
      cancelIdle();
      cancelIdle = clock.after(idleMs, end);
      watched.events += 1;
      sink.apply(event);
      watched.position = event.object.metadata.resourceVersion ?? watched.position;
    }
  } catch (error) {
    if (isReason(error, "Expired", "Gone")) watched.expired = true;
    else if (!ending.signal.aborted) throw error;
  } finally {
    cancelIdle();
    stop.removeEventListener("abort", end);
    ending.abort();
  }
  watched.lastedMs = clock.now() - started;
  return watched;
}

function selection<T extends KubeObject>(options: ReflectorOptions<T>) {
  return {
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
    ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
  };
}

/** The stream until it ends or the signal aborts, also where the stream itself doesn't heed the signal (a dead connection). */
async function* abortable<T>(stream: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await nextOrAbort(iterator, signal);
      if (next === undefined || next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not awaited: a generator that hangs in `next` would never answer.
    iterator.return?.().catch(() => {});
  }
}

function nextOrAbort<T>(iterator: AsyncIterator<T>, signal: AbortSignal): Promise<IteratorResult<T> | undefined> {
  return new Promise((resolve, reject) => {
    const aborted = () => resolve(undefined);
    if (signal.aborted) {
      aborted();
      return;
    }
    signal.addEventListener("abort", aborted, { once: true });
    iterator.next().then(
      (result) => {
        signal.removeEventListener("abort", aborted);
        resolve(result);
      },
      (error: unknown) => {
        signal.removeEventListener("abort", aborted);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = () => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal.addEventListener("abort", done, { once: true });
  });
}
