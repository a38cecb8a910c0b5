/** Why a build fails that the cluster, or the installation, never takes. Pure. */
import { ApiError } from "../../api/meta/errors.ts";
import { uploadOf } from "../../lib/source/location.ts";
import type { BuildFailure, BuildKey, BuildSpec } from "../../runtime/builds.ts";
import { hasRegistry } from "./make-secrets.ts";
import { buildPodName, ownContainers } from "./names.ts";
import { OccupiedError } from "./pods.ts";

/** Its Pod is gone, and what ran of it isn't known. */
export function deletedFailure(key: BuildKey): BuildFailure {
  const message = `Build failed: its Pod "${buildPodName(key)}" was deleted while it ran: build again`;
  return { reason: "BuildStepFailed", message };
}

/** What can't be built here, known before anything runs. */
export function specRefusal({ steps, image, source }: BuildSpec, hasDoor: boolean): BuildFailure | undefined {
  const own: readonly string[] = Object.values(ownContainers);
  const taken = steps.find(({ name }) => own.includes(name));
  if (taken !== undefined) {
    return {
      reason: "BuildStepFailed",
      message: `Step "${taken.name}" has the name of one of the platform's own containers: give it another`,
    };
  }
  if (hasDoor) return undefined;
  if (source !== undefined && "location" in source && uploadOf(source.location) !== undefined) {
    const message = `Source "${source.location}" is not here: the installation has no registry for uploads; ${noDoor}, or build from a git repository or a URL`;
    return { reason: "SourceMissing", message };
  }
  if (image === undefined || hasRegistry(image)) return undefined;
  return {
    reason: "PushFailed",
    message: `Cannot push image "${image}": its name has no registry, and the installation names none for builds; ${noDoor}, or give the image a name with a registry`,
  };
}

const noDoor = 'have its administrator name one with "elafros install --build-registry HOST/PREFIX"';

/** What no other try would change. */
export function finalRefusal(error: unknown): BuildFailure | undefined {
  const reason = "BuildStepFailed";
  if (error instanceof OccupiedError) return { reason, message: error.message };
  // A credential that is none.
  if (error instanceof TypeError) return { reason, message: `Build cannot begin: ${error.message}` };
  if (!(error instanceof ApiError)) return undefined;
  const message = `The cluster refuses the build's Pod: ${error.message}`;
  if (["Invalid", "BadRequest", "RequestEntityTooLarge"].includes(error.reason)) return { reason, message };
  if (error.message.includes("violates PodSecurity")) return { reason, message: `${message}: ${securityHint}` };
  return undefined;
}

const securityHint =
  "steps that make images by buildah run as root in a user namespace of their own; allow that in the namespace (label pod-security.kubernetes.io/enforce: privileged), or build where it is allowed";
