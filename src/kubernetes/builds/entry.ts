/** A build on a cluster as the port knows it: what is wanted, what its Pod doesn't say, and how it is by both. */
import type { BuildFailure, BuildKey, BuildSpec, BuildState } from "../../runtime/builds.ts";
import type { Pod } from "../kinds/pod.ts";
import { buildOf, buildStateOf } from "./state.ts";
import type { Waiting } from "./waiting.ts";

/** What is wanted of a build, and what its Pod doesn't say. */
export interface Entry {
  key: BuildKey;
  uid: string;
  spec?: BuildSpec;
  cancelled?: true;
  removed?: true;
  since: number;
  /** What the cluster says to its Pod, while there is none. */
  refused?: string;
  /** It has failed without a Pod that could say so. */
  failed?: { failure: BuildFailure; at: number };
  /** A Pod of it was seen. */
  seen?: true;
  /** The uid of the Pod that has been noted and may begin. */
  admitted?: string;
  said?: Waiting;
  /** Secrets of it may be there, whoever made them. */
  hasSecrets?: true;
  tidied?: true;
}

/**
 * How a build is; undefined where there is none, or it was removed.
 * @param entry undefined where nobody has said yet that it is wanted
 * @param pod of its name, be it of this build or of one before it
 */
export function entryState(entry: Entry | undefined, pod: Pod | undefined): BuildState | undefined {
  const of = pod === undefined ? undefined : buildOf(pod);
  if (pod !== undefined && of !== undefined && (entry?.spec === undefined || entry.uid === of.uid)) {
    return entry?.removed === true ? undefined : withFailure(buildStateOf(pod, of), entry);
  }
  if (entry?.spec === undefined || entry.removed === true) return undefined;
  const state: BuildState = {
    key: entry.key,
    uid: entry.uid,
    phase: "queued",
    createdAt: entry.since,
    ...(entry.refused === undefined ? {} : { message: entry.refused }),
    steps: stepNames(entry.spec).map((name) => ({ name, phase: "waiting" })),
    labels: entry.spec.labels,
  };
  return withFailure(state, entry);
}

function stepNames({ source, steps }: BuildSpec): string[] {
  return [...(source === undefined ? [] : ["source"]), ...steps.map(({ name }) => name)];
}

/** A build that has failed without a Pod, or whose Pod was taken away. */
function withFailure(state: BuildState, entry: Entry | undefined): BuildState {
  if (entry?.failed === undefined || state.phase === "succeeded" || state.phase === "failed") return state;
  return { ...state, phase: "failed", endedAt: entry.failed.at, failure: entry.failed.failure };
}
