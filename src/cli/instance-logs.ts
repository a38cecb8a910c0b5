/**
 * The output of running instances.
 */
import { isReason } from "../api/meta/errors.ts";
import { pause } from "./await-object.ts";
import { CancelledError } from "./errors.ts";
import type { Factory, Session } from "./factory.ts";
import { Pod } from "./objects.ts";

/** How often new instances are looked for where a watch has ended. */
const againMs = 500;

/** How to read it. */
export interface ReadOptions {
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  tail?: number;
  /** Seconds. */
  since?: number;
}

/** What to read. */
export interface InstanceLogs {
  session: Session;
  options: ReadOptions;
  factory: Factory;
  labelSelector: string;
  /** For messages: `service "hello"`. */
  what: string;
  /** Don't say which instance wrote a line. */
  bare?: boolean;
}

/** Prints the lines of one instance. An instance that is gone, or hasn't started, has none. */
export async function copyLines(
  { session, options, factory }: Pick<InstanceLogs, "session" | "options" | "factory">,
  { pod, prefix, signal }: { pod: Pod; prefix: string; signal: AbortSignal },
): Promise<void> {
  const { follow, previous, timestamps, tail, since } = options;
  const lines = session.client.podLog(
    { namespace: session.namespace, name: pod.metadata.name },
    {
      signal,
      ...containerOf(pod),
      ...(follow ? { follow } : {}),
      ...(previous ? { previous } : {}),
      ...(timestamps ? { timestamps } : {}),
      ...(tail === undefined ? {} : { tailLines: tail }),
      ...(since === undefined ? {} : { sinceSeconds: since }),
    },
  );
  try {
    for await (const line of lines) factory.io.line(`${prefix}${line}`);
  } catch (error) {
    if (signal.aborted) return;
    if (isReason(error, "NotFound", "BadRequest")) {
      factory.io.note(`${prefix}${error.message}`);
      return;
    }
    throw error;
  }
}

/** It was never started: it has written nothing, and a cluster refuses to tell its output until then. */
function isNew({ status }: Pod): boolean {
  const { phase, containerStatuses = [] } = status ?? {};
  return (
    phase === "Pending" &&
    containerStatuses.every((one) => one.restartCount === 0 && one.lastState?.terminated === undefined)
  );
}

/** The instance's own container, where a cluster has put others into its Pod; the server then wants it named. */
function containerOf({ spec }: Pod): { container?: string } {
  const [first, ...others] = spec?.containers ?? [];
  return first === undefined || others.length === 0 ? {} : { container: first.name };
}

/** Follows all instances, those that come later too, until interrupted. Each line begins with its instance. */
export async function followAll(run: InstanceLogs): Promise<void> {
  const { session, factory, labelSelector, what } = run;
  const { signal } = factory;
  const open = new Map<string, Promise<void>>();
  const seen = new Set<string>();
  let failure: unknown;
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const start = (pod: Pod) => {
    const { name } = pod.metadata;
    if (open.has(name) || isNew(pod)) return;
    // One that was followed before goes on where it was: only new lines.
    const options = seen.has(name) ? { ...run.options, tail: 0 } : run.options;
    seen.add(name);
    const copying = copyLines({ ...run, options }, { pod, prefix: run.bare === true ? "" : `[${name}] `, signal: both })
      .catch((error: unknown) => {
        failure ??= error;
        stop.abort();
      })
      .finally(() => open.delete(name));
    open.set(name, copying);
  };
  try {
    for (let first = true; ; first = false) {
      const pods = await session.client.list(Pod, { namespace: session.namespace, labelSelector });
      if (first && pods.items.length === 0) factory.io.note(`No instances of ${what} run now: waiting for one`);
      for (const pod of pods.items) start(pod);
      const { resourceVersion } = pods.metadata;
      const watch = { namespace: session.namespace, labelSelector, resourceVersion, signal: both };
      try {
        for await (const event of session.client.watch(Pod, watch)) {
          if (event.type === "ADDED" || event.type === "MODIFIED") start(event.object);
        }
      } catch (error) {
        if (!isReason(error, "Expired", "Gone", "ServiceUnavailable")) throw error;
      }
      if (failure !== undefined) throw failure as Error;
      await pause(factory.clock, againMs, both);
    }
  } catch (error) {
    if (failure !== undefined) throw failure as Error;
    if (signal.aborted) throw new CancelledError("Cancelled", { cause: error });
    throw error;
  } finally {
    stop.abort();
    await Promise.all(open.values());
  }
}
