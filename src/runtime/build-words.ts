/** What a build's condition says, the same wherever builds run. Pure. */
import { formatBytes } from "../lib/bytes.ts";
import type { BuildFailure, SourceFound } from "./builds.ts";

/** The end of a step that didn't end with 0. */
export interface FailedStep {
  name: string;
  exitCode: number | undefined;
  /** Last line of its output, or what is said of it. */
  message: string;
  /** Whether it brings the source: as the platform's own program, or as a step of the user's. */
  source?: "fetches" | "custom";
}

/** Why a build ends with it. */
export function stepFailureOf({ name, exitCode, message, source }: FailedStep): BuildFailure {
  if (source === "fetches" && message !== "") return { reason: "SourceMissing", message };
  const what = message === "" ? `exit code ${exitCode}` : `error message: ${message}`;
  return {
    reason: source === undefined ? "BuildStepFailed" : "SourceMissing",
    message: `Step "${name}" failed with ${what}`,
  };
}

/** Of a step that was killed. @param limit bytes */
export function outOfMemoryWords(limit: number): string {
  return `it was killed: it used more than its ${formatBytes(limit)} of memory; give it more with resources.limits.memory`;
}

export function noStartWords(why: string): string {
  return `it cannot be started: ${why}`;
}

/** @param ms the build's timeout */
export function timeoutFailure(ms: number): BuildFailure {
  return {
    reason: "BuildTimeout",
    message: `Build took longer than its timeout of ${ms / 1000}s: give it more with "timeout"`,
  };
}

export const cancelledFailure: BuildFailure = { reason: "BuildCancelled", message: "Build was cancelled" };

/** There is an image, and nobody said how it is called. */
export const namelessFailure: BuildFailure = {
  reason: "ImageMissing",
  message: `The steps left an image in "/builder/image", and the build has no name for it: give one in argument "_IMAGE"`,
};

const nothingLeft = `The steps left no image: neither an OCI layout in "/builder/image"`;

/** Nothing was left, and what a step may have pushed can't be seen. @param why of the registry */
export function notPushedWords(name: string, why: string): string {
  return `${nothingLeft}, nor image "${name}" in its registry: ${why}`;
}

/** Nothing was left, and a step can't have pushed it. */
export function unpushableFailure(name: string): BuildFailure {
  return {
    reason: "ImageMissing",
    message: `${nothingLeft}, nor can they push "${name}", which has no registry; leave a layout, or name a registry`,
  };
}

/** @param why of the registry */
export function pushFailure(name: string, why: string): BuildFailure {
  return { reason: "PushFailed", message: `Cannot push image "${name}": ${why}${pushHint(why)}` };
}

/** What to do where a registry wants a user and the build has none for it. */
function pushHint(message: string): string {
  return /unauthorized|denied|authentication required/i.test(message) && message.endsWith("anonymously)")
    ? "; give the Build's service account a Secret with credentials for that registry"
    : "";
}

const longestName = 4096;

/** Reads what the source step says of where the files came from: JSON. Undefined where it says nothing that can be used. */
export function parseSourceFound(text: string): SourceFound | undefined {
  try {
    const { repository, archive, manifest, context } = JSON.parse(text) as Record<string, unknown>;
    if (!isName(context)) return undefined;
    return {
      context,
      ...(isName(repository) ? { repository } : {}),
      ...(isName(archive) ? { archive } : {}),
      ...(isName(manifest) ? { manifest } : {}),
    };
  } catch {
    return undefined;
  }
}

export const sourceUnknownFailure: BuildFailure = {
  reason: "SourceMissing",
  message: `Step "source" ended without saying where the source came from`,
};

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= longestName;
}
