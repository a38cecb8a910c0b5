import { ApiError, isReason } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Client } from "../client/client.ts";
import type { Clock } from "../lib/clock.ts";

export interface AwaitOptions<T, R> {
  namespace: string;
  name: string;
  clock: Clock;
  /** Ends the wait; its reason is thrown. */
  signal: AbortSignal;
  /** Called with each state of the object, undefined where there is none. Ends the wait with what it returns, unless undefined, or throws. */
  check: (object: T | undefined) => R | undefined;
}

/** Between two tries after a watch ended early or the server was away. */
const pauseMs = 250;

/** Watches one object until `check` has an answer. Goes on where the server was away for a moment: it may be restarting. */
export async function awaitObject<T extends KubeObject, R>(
  client: Client,
  kind: Kind<T>,
  options: AwaitOptions<T, R>,
): Promise<R> {
  for (;;) {
    options.signal.throwIfAborted();
    try {
      const answer = await watchOnce(client, kind, options);
      if (answer !== undefined) return answer.value;
    } catch (error) {
      options.signal.throwIfAborted();
      if (
        !(error instanceof ApiError) ||
        !isReason(error, "Expired", "Gone", "ServiceUnavailable", "TooManyRequests")
      ) {
        throw error;
      }
    }
    await pause(options.clock, pauseMs, options.signal);
  }
}

async function watchOnce<T extends KubeObject, R>(
  client: Client,
  kind: Kind<T>,
  { namespace, name, signal, check }: AwaitOptions<T, R>,
): Promise<{ value: R } | undefined> {
  const list = await client.list(kind, { namespace, fieldSelector: `metadata.name=${name}` });
  const first = check(list.items.find((item) => item.metadata.name === name));
  if (first !== undefined) return { value: first };
  const stop = new AbortController();
  try {
    const events = client.watch(kind, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
      resourceVersion: list.metadata.resourceVersion,
      signal: AbortSignal.any([signal, stop.signal]),
    });
    for await (const event of events) {
      if (event.type === "BOOKMARK" || event.object.metadata.name !== name) continue;
      const value = check(event.type === "DELETED" ? undefined : event.object);
      if (value !== undefined) return { value };
    }
    return undefined;
  } finally {
    stop.abort();
  }
}

/** Resolves after `ms` milliseconds, or rejects with the signal's reason. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(signal.reason as Error);
    };
    const cancel = clock.after(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** A signal that aborts with `reason()` after `ms` milliseconds, or with `parent`. Call `done` when it isn't needed any more. */
export function deadline(
  clock: Clock,
  { ms, parent, reason }: { ms: number; parent: AbortSignal; reason: () => Error },
): { signal: AbortSignal; done: () => void } {
  const controller = new AbortController();
  const done = clock.after(ms, () => controller.abort(reason()));
  return { signal: AbortSignal.any([parent, controller.signal]), done };
}
