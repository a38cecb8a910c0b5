/**
 * Following a Build to its end, for the commands that wait for one.
 */
import { followedLines, writtenLines } from "./build-logs.ts";
import { activityOf, failedStep, outcomeOf } from "./build-state.ts";
import { awaitObject } from "./await-object.ts";
import { FailureError } from "./errors.ts";
import type { Follow } from "./follow.ts";
import type { Io, Progress } from "./io.ts";
import { Build } from "./objects.ts";
import { printable } from "./printable.ts";

export interface BuildWatch {
  name: string;
  io: Io;
  progress: Progress;
  /** Print what its steps write. */
  verbose: boolean;
}

/** Lines of the step that failed. */
const lastLines = 20;
/** How long the last lines may take after the build has ended. */
const logGraceMs = 5_000;

/**
 * Waits until a Build has ended, and ticks `Building`. Shows what it does now.
 * @param onState told in words how it is, each time that it changes
 * @throws FailureError with the build's message and the failing step's last lines
 */
export async function followBuild(follow: Follow, watch: BuildWatch, onState: (words: string) => void): Promise<void> {
  const { session, clock, signal } = follow;
  const { name, progress } = watch;
  progress.start("Building");
  let logs: ReturnType<typeof printLogs> | undefined;
  let seen = false;
  let told = false;
  try {
    const build = await awaitObject<Build, Build>(session.client, Build, {
      namespace: session.namespace,
      name,
      clock,
      signal,
      check: (state) => {
        // The Revision names it a moment before it is there.
        if (state === undefined) {
          if (seen) throw new FailureError(`Build "${name}" was deleted meanwhile`);
          return undefined;
        }
        if (!seen && watch.verbose) logs = printLogs(follow, watch);
        seen = true;
        if (outcomeOf(state) !== undefined) return state;
        const activity = activityOf(state);
        progress.start(activity === undefined ? "Building" : `Building: ${printable(activity)}`);
        onState(`build "${name}" is not done: ${activity ?? "it was just made"}`);
        // On a pipe nothing moves: a build that waits for others says so once.
        if (!watch.io.terminal && !told && state.status?.startTime === undefined && activity !== undefined) {
          told = true;
          watch.io.note(printable(activity));
        }
        return undefined;
      },
    });
    await logs?.finish();
    const outcome = outcomeOf(build);
    if (outcome?.succeeded !== true) throw await failedBuild(follow, build, watch);
    progress.done("Building");
  } finally {
    logs?.stop();
  }
}

function printLogs(follow: Follow, { name, progress, io }: BuildWatch): { finish(): Promise<void>; stop(): void } {
  const stop = new AbortController();
  const { session, clock } = follow;
  const signal = AbortSignal.any([follow.signal, stop.signal]);
  const print = async () => {
    for await (const { step, line } of followedLines({ session, build: name, clock, signal })) {
      progress.log(io.paint.dim(`  [${step}] ${printable(line)}`));
    }
  };
  // The build's outcome counts, and is told by its status: output that can't be read doesn't fail a deploy.
  const printing = print().catch((error: unknown) => {
    if (!signal.aborted) io.note(`The build's output can't be shown: ${(error as Error).message}`);
  });
  return {
    finish: async () => {
      const cancel = clock.after(logGraceMs, () => stop.abort());
      await printing;
      cancel();
    },
    stop: () => stop.abort(),
  };
}

async function failedBuild(
  { session, signal }: Follow,
  build: Build,
  { name, progress }: BuildWatch,
): Promise<FailureError> {
  progress.start("Building");
  progress.fail();
  const step = failedStep(build);
  const lines: string[] = [];
  if (step !== undefined) {
    try {
      for await (const { line } of writtenLines({ session, build: name, step, tail: lastLines, signal }))
        lines.push(line);
    } catch {
      // The reason is known; that its output can't be read mustn't hide it.
    }
  }
  const detail = lines.length === 0 ? [] : [`Last lines of step [${step ?? ""}]:`, ...lines.map((line) => `  ${line}`)];
  return new FailureError(`Build "${name}" failed: ${outcomeOf(build)?.why ?? ""}`, { detail });
}
