/**
 * The one shell of all reconcilers: takes a key, observes from caches, plans, carries the plan out, writes the status where it
 * differs, records Events.
 *
 * Level-triggered: the key is the only input; whatever woke it, the whole is planned from what is there now. A run has three
 * outcomes: done; wait (`requeueAfterMs`); failed, tried again after the key's growing delay. A TerminalError is logged and not
 * tried again; a Conflict or AlreadyExists only says that the cache was behind, and is no error.
 */
import { isDeepStrictEqual } from "node:util";
import { isReason } from "../api/meta/errors.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Client } from "../client/client.ts";
import { type Informer, keyOf, splitKey } from "../client/informer.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { EventRecorder } from "./events.ts";
import { type Plan, TerminalError } from "./plan.ts";
import { createQueue } from "./queue.ts";

/** What the shell itself needs. */
export interface ControllerDeps {
  client: Client;
  clock: Clock;
  log: Log;
  events: EventRecorder;
  random?: () => number;
}

/** What makes a controller of one kind. `T` is the kind, `O` what its plan looks at, `A` its actions. */
export interface ControllerOptions<T extends KubeObject & { status?: unknown }, O, A> {
  /** For logs. */
  name: string;
  informer: Informer<T>;
  /** Looks everything up that the plan needs, in caches only; the answer is not changed by anyone. */
  observe(object: T): O;
  /** Pure. */
  plan(observed: O, now: number): Plan<T["status"], A>;
  /** What to do about an object that is gone. */
  absent?(key: string): readonly A[];
  /** Carries one action out. */
  execute(action: A, key: string): Promise<void> | void;
  /** Subscribes to whatever else the plan looks at; calls `enqueue` with the keys that it may concern. Returns the unsubscribing function. */
  watch?(enqueue: (key: string) => void): () => void;
  /** Keys worked on at once. Default 4. */
  workers?: number;
  /** Every object is planned again after this, in case an event was lost. Default 10 minutes. */
  resyncMs?: number;
}

export interface Controller {
  /** Resolves when every object that was there at the start was planned once. Never rejects. */
  readonly firstPass: Promise<void>;
  enqueue(key: string): void;
  /** Whether no key waits and none is worked on. */
  readonly idle: boolean;
  stop(): Promise<void>;
}

/** Starts a controller; its informer must be synced. */
export function startController<T extends KubeObject & { status?: unknown }, O, A>(
  deps: ControllerDeps,
  options: ControllerOptions<T, O, A>,
): Controller {
  const { clock } = deps;
  const { informer } = options;
  const log = deps.log.child({ controller: options.name });
  const queue = createQueue({ clock, ...(deps.random === undefined ? {} : { random: deps.random }) });
  const enqueue = (key: string) => queue.add(key);
  const unsubscribe = [
    informer.subscribe(({ object }) => enqueue(keyOf(object))),
    options.watch?.(enqueue) ?? (() => {}),
  ];

  const first = new Set(informer.list().map(keyOf));
  const firstPass = Promise.withResolvers<void>();
  for (const key of first) enqueue(key);
  if (first.size === 0) firstPass.resolve();

  const resyncMs = options.resyncMs ?? 600_000;
  const resync = () => {
    for (const object of informer.list()) queue.add(keyOf(object), "slow");
    cancelResync = clock.after(resyncMs, resync);
  };
  let cancelResync = clock.after(resyncMs, resync);

  const work = async () => {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      try {
        const requeueAfterMs = await reconcile(deps, options, key);
        queue.forget(key);
        if (requeueAfterMs !== undefined) queue.addAfter(key, requeueAfterMs);
      } catch (error) {
        report(error, key);
      }
      queue.done(key);
      // Whatever wakes keys, and how often, others get their turn: a run that never waits would otherwise hold the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      if (first.delete(key) && first.size === 0) firstPass.resolve();
    }
  };
  const report = (error: unknown, key: string) => {
    if (error instanceof TerminalError) {
      queue.forget(key);
      log.error({ key, error }, "Cannot reconcile; waiting for a change");
      return;
    }
    const retryMs = queue.addFailed(key);
    if (isReason(error, "Conflict", "AlreadyExists", "NotFound"))
      log.debug({ key, error, retryMs }, "Observed too early");
    else log.warn({ key, error, retryMs }, "Cannot reconcile; trying again");
  };
  const workers = Array.from({ length: options.workers ?? 4 }, work);

  return {
    firstPass: firstPass.promise,
    enqueue,
    get idle() {
      return queue.idle;
    },
    async stop() {
      for (const end of unsubscribe) end();
      cancelResync();
      queue.close();
      await Promise.all(workers);
      firstPass.resolve();
    },
  };
}

async function reconcile<T extends KubeObject & { status?: unknown }, O, A>(
  deps: ControllerDeps,
  options: ControllerOptions<T, O, A>,
  key: string,
): Promise<number | undefined> {
  const object = options.informer.get(key);
  if (object === undefined) {
    for (const action of options.absent?.(key) ?? []) await options.execute(action, key);
    return undefined;
  }
  const plan = options.plan(options.observe(object), deps.clock.now());
  for (const action of plan.actions) await options.execute(action, key);
  // Events come after the write: were it to fail, the next run would plan and tell the same again.
  const alive = await writeStatus(deps, options.informer, object, plan.status);
  if (alive) for (const event of plan.events) deps.events.record(object, event);
  return plan.requeueAfterMs;
}

/** Returns false where the object is gone. */
async function writeStatus<T extends KubeObject & { status?: unknown }>(
  deps: ControllerDeps,
  informer: Informer<T>,
  object: T,
  status: T["status"],
): Promise<boolean> {
  if (status === undefined || isDeepStrictEqual(object.status, status)) return true;
  let base = object;
  for (let attempt = 0; ; attempt += 1) {
    try {
      informer.observed(await deps.client.updateStatus(informer.kind, { ...structuredClone(base), status }));
      return true;
    } catch (error) {
      if (isReason(error, "NotFound")) return false;
      if (!isReason(error, "Conflict") || attempt >= 4) throw error;
    }
    // Someone changed labels or spec meanwhile: the status is ours alone, so it goes onto what is there now.
    try {
      base = await deps.client.get(informer.kind, splitKey(keyOf(object)));
    } catch (error) {
      if (isReason(error, "NotFound")) return false;
      throw error;
    }
    if (base.metadata.uid !== object.metadata.uid) return false;
  }
}
