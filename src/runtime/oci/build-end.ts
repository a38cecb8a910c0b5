/** How a build's steps end, in words. */
import {
  noStartWords,
  outOfMemoryWords,
  parseSourceFound,
  sourceUnknownFailure,
  stepFailureOf,
} from "../build-words.ts";
import type { BuildFailure, SourceFound } from "../builds.ts";
import type { BuildContext } from "./build-context.ts";
import { type BuildPaths, type BuildRecord, buildPaths, type StoredStep } from "./build-record.ts";
import { fetchesSource, SourceError, stepsOf } from "./build-steps.ts";
import { oomKills } from "./cgroup.ts";
import { containerGroup } from "./container.ts";
import type { RunEnd } from "./exits.ts";
import { readText } from "./files.ts";
import { lastLine } from "./logs.ts";
import { CommandError } from "./oci-runtime.ts";

/** Ends a build: what its condition will say. */
export class BuildFailed extends Error {
  override readonly name = "BuildFailed";
  readonly failure: BuildFailure;
  constructor(reason: BuildFailure["reason"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = { reason, message };
  }
}

/** Exit code where the monitor was lost, and with it the real one. */
const unknownCode = 255;

/** Puts the end of its container into a step's state; asked before the control group and the log are gone. */
export async function recordEnd(
  ctx: BuildContext,
  record: BuildRecord,
  { step, index, end }: { step: StoredStep; index: number; end: RunEnd },
): Promise<void> {
  const { driver } = ctx;
  step.phase = "ended";
  step.endedAt = driver.clock.now();
  step.exitCode = end.code ?? unknownCode;
  if (step.exitCode === 0) return;
  const kills = await oomKills(driver.cgroups, containerGroup(driver, record.id));
  if (end.code === undefined) step.message = "its monitor was lost, and with it how it ended";
  else if (kills > 0) {
    step.oomKilled = true;
    const limit = stepsOf(record.spec)[index]?.resources.memoryBytes ?? ctx.limits.stepMemoryBytes;
    step.message = outOfMemoryWords(limit);
  } else {
    const log = buildPaths(ctx.places, record.id).log(record.attempt);
    // The fetching program's sentence is on its standard error; what else runs may say it anywhere.
    step.message = await lastLine(log, fetchesSource(record.spec, index) ? "stderr" : undefined);
  }
}

/** Why the build ends with a step that didn't end with 0. */
export function stepFailure(record: BuildRecord, index: number): BuildFailed {
  const { name = "", exitCode, message = "" } = record.steps[index] ?? {};
  const isSource = index === 0 && record.spec.source !== undefined;
  const source = isSource ? ({ source: fetchesSource(record.spec, index) ? "fetches" : "custom" } as const) : {};
  const failure = stepFailureOf({ name, exitCode, message, ...source });
  return new BuildFailed(failure.reason, failure.message);
}

/** Puts into a step's state that it couldn't be started. */
export function recordNoStart(step: StoredStep, error: Error, now: number): void {
  step.phase = "ended";
  step.endedAt = now;
  step.exitCode = error instanceof CommandError ? error.code : 128; // what docker says of a container that could not be made
  step.message = error instanceof SourceError ? error.message : noStartWords(error.message);
}

/** What the source step says of where the files came from. @throws BuildFailed where it says nothing */
export async function readSource(paths: BuildPaths): Promise<SourceFound> {
  const found = parseSourceFound((await readText(paths.fetchResult)) ?? "");
  if (found !== undefined) return found;
  throw new BuildFailed(sourceUnknownFailure.reason, sourceUnknownFailure.message);
}
