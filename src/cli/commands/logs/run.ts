import { configurationLabel, revisionLabel } from "../../../api/labels.ts";
import { isReason } from "../../../api/meta/errors.ts";
import { pause } from "../../await-object.ts";
import { CancelledError } from "../../errors.ts";
import type { Factory, Session } from "../../factory.ts";
import { readMemory, requireService } from "../../memory.ts";
import { Pod } from "../../objects.ts";
import { resolveRevision } from "../../resolve-revision.ts";
import type { LogsOptions } from "./logs.ts";

/** How often new instances are looked for where a watch has ended. */
const againMs = 500;

/** Runs `elafros logs`. */
export async function runLogs(options: LogsOptions, factory: Factory): Promise<void> {
  const service =
    options.revision !== undefined && options.service === undefined
      ? (await readMemory(factory.cwd)).service
      : await requireService(factory.cwd, options.service);
  const session = await factory.connect(options);
  try {
    const revision =
      options.revision === undefined ? undefined : await resolveRevision(session, options.revision, service);
    const labelSelector =
      revision === undefined ? `${configurationLabel}=${service ?? ""}` : `${revisionLabel}=${revision}`;
    const what = revision === undefined ? `service "${service ?? ""}"` : `revision "${revision}"`;
    await (options.follow ? followAll : printAll)({ session, options, factory, labelSelector, what });
  } finally {
    session.client.close();
  }
}

interface Run {
  session: Session;
  options: LogsOptions;
  factory: Factory;
  labelSelector: string;
  what: string;
}

async function printAll({ session, options, factory, labelSelector, what }: Run): Promise<void> {
  const pods = await session.client.list(Pod, { namespace: session.namespace, labelSelector });
  if (pods.items.length === 0) {
    factory.io.note(
      `No instances of ${what} run now. Why the last one ended: 'elafros services describe' or 'elafros revisions describe'`,
    );
    return;
  }
  for (const pod of pods.items) {
    const prefix = pods.items.length > 1 ? `[${pod.metadata.name}] ` : "";
    await copy({ session, options, factory }, { pod: pod.metadata.name, prefix, signal: factory.signal });
  }
}

/** Prints the lines of one instance. An instance that is gone, or hasn't started, has none. */
async function copy(
  { session, options, factory }: Pick<Run, "session" | "options" | "factory">,
  { pod, prefix, signal }: { pod: string; prefix: string; signal: AbortSignal },
): Promise<void> {
  const { follow, previous, timestamps, tail, since } = options;
  const lines = session.client.podLog(
    { namespace: session.namespace, name: pod },
    {
      signal,
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

/** Follows all instances, those that come later too, until interrupted. Each line begins with its instance. */
async function followAll(run: Run): Promise<void> {
  const { session, factory, labelSelector, what } = run;
  const { signal } = factory;
  const open = new Map<string, Promise<void>>();
  const seen = new Set<string>();
  let failure: unknown;
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const start = (pod: Pod) => {
    const { name } = pod.metadata;
    if (open.has(name)) return;
    // One that was followed before goes on where it was: only new lines.
    const options = seen.has(name) ? { ...run.options, tail: 0 } : run.options;
    seen.add(name);
    const copying = copy({ ...run, options }, { pod: name, prefix: `[${name}] `, signal: both })
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
