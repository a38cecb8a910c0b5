/** A kubelet's words for what keeps a container from running, in containerd's frame. */
import type { ContainerState } from "./pod-status.ts";

type Waiting = NonNullable<ContainerState["waiting"]>;

/** Why a program couldn't be started. */
export function startError(message: string): string {
  return `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ${message}: unknown`;
}

/** A pull that failed. */
export function pullError(image: string, why: string): Waiting & { message: string } {
  const message = `rpc error: code = Unknown desc = failed to pull and unpack image "${image}": ${why}`;
  return { reason: "ErrImagePull", message };
}

/** The wait for the next pull. */
export function pullBackOff(image: string): Waiting & { message: string } {
  return { reason: "ImagePullBackOff", message: `Back-off pulling image "${image}"` };
}
