import type { LogOptions } from "../workloads.ts";
import type { BuildContext } from "./build-context.ts";
import { buildPaths, type StoredBuild } from "./build-record.ts";
import { readLog } from "./logs.ts";

interface LogSource {
  /** The build as it is now: one that begins again has another state. Undefined once it is removed. */
  build: () => StoredBuild | undefined;
  /** Index of the step. */
  index: number;
  /** Calls the listener after each change of builds. */
  subscribe: (listener: () => void) => () => void;
}

/** Output of a step. One that hasn't begun gives none; with `follow` it is waited for, as long as it may still begin. */
export async function* stepLog(ctx: BuildContext, source: LogSource, options: LogOptions): AsyncGenerator<string> {
  const { build, index } = source;
  const step = () => build()?.steps[index];
  const waits = () => step()?.phase === "waiting" && build()?.endedAt === undefined;
  if (options.follow) {
    while (waits() && !options.signal.aborted) await change(source, options.signal, waits);
  }
  const attempt = step()?.attempt;
  const id = build()?.id;
  if (id === undefined || attempt === undefined || options.signal.aborted) return;
  const path = buildPaths(ctx.places, id).log(attempt);
  yield* readLog(path, { ...options, running: () => step()?.phase === "running" });
}

/** The next change, or the signal. `still` is asked once it is listened for, so that none is missed. */
function change({ subscribe }: LogSource, signal: AbortSignal, still: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      unsubscribe();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const unsubscribe = subscribe(done);
    signal.addEventListener("abort", done, { once: true });
    if (!still() || signal.aborted) done();
  });
}
