/** What a Revision's Build means for it. Pure. */
import { buildOutcome } from "../../api/build.conditions.ts";
import type { Build } from "../../api/build.ts";
import { findCondition } from "../../api/meta/conditions.ts";
import { revisionReasons } from "../../api/revision.conditions.ts";
import type { Revision, RevisionStatus } from "../../api/revision.ts";

/** How the image of a Revision is coming along. */
export type BuildView =
  /** It is pre-built. */
  | { state: "none" }
  | { state: "building"; message?: string }
  | { state: "failed"; reason: string; message: string }
  | { state: "complete"; imageDigest: string; imageSource?: NonNullable<RevisionStatus["imageSource"]> };

/**
 * How the Build that the Revision names stands. Once the Revision has its digest, the Build may go; so may one that failed, whose reason the
 * Revision has taken over.
 */
export function viewBuild({ spec, status }: Revision, build: Build | undefined): BuildView {
  const { buildName = "" } = spec;
  if (buildName === "") return { state: "none" };
  if (status?.imageDigest !== undefined) return { state: "complete", imageDigest: status.imageDigest };
  if (build === undefined) return gone(buildName, status);
  const outcome = buildOutcome(build.status?.conditions);
  if (outcome === undefined) {
    const message = findCondition(build.status?.conditions, "Succeeded")?.message;
    return { state: "building", ...(message === undefined ? {} : { message }) };
  }
  if (outcome !== "succeeded") return { state: "failed", ...outcome };
  const { imageDigest, source } = build.status ?? {};
  if (imageDigest === undefined) {
    return {
      state: "failed",
      reason: revisionReasons.BuildMissing,
      message: `Build "${buildName}" doesn't say which image it made: deploy again to build it anew`,
    };
  }
  return { state: "complete", imageDigest, ...(source === undefined ? {} : { imageSource: source }) };
}

function gone(buildName: string, status: RevisionStatus | undefined): BuildView {
  const known = findCondition(status?.conditions, "BuildComplete");
  if (known?.status === "False") {
    return { state: "failed", reason: known.reason ?? revisionReasons.BuildMissing, message: known.message ?? "" };
  }
  const message = `Build "${buildName}" isn't there, so it isn't known which image it made: it was deleted, or never made. Deploy again to build anew`;
  return { state: "failed", reason: revisionReasons.BuildMissing, message };
}
