/** The status of a Pod as its kubelet writes it. */
import type { PodObject, StateCondition } from "./types.ts";

export interface ContainerState {
  waiting?: { reason: string; message?: string };
  running?: { startedAt: string };
  terminated?: { exitCode: number; reason: string; message?: string; startedAt: string; finishedAt: string };
}

/** What a kubelet knows of a Pod; all containers share one fate here. */
export interface Told {
  phase?: "Pending" | "Running";
  state: ContainerState;
  last?: ContainerState;
  restarts: number;
  ready: boolean;
  started?: boolean;
  address?: string;
}

export function containersOf({ spec }: PodObject): PodObject["spec"]["containers"] {
  return spec.containers;
}

/** The status for a merge by type and name. */
export function podStatus(pod: PodObject, told: Told, now: string): object {
  const names = containersOf(pod).map(({ name }) => name);
  const unready = {
    status: "False",
    reason: "ContainersNotReady",
    message: `containers with unready status: [${names.join(" ")}]`,
  };
  const ready = told.ready ? { status: "True", reason: null, message: null } : unready;
  const condition = (type: string, rest: object) => ({ type, lastTransitionTime: now, ...rest });
  const { address } = told;
  const running = told.state.running !== undefined;
  return {
    phase: told.phase ?? "Pending",
    conditions: [
      condition("Initialized", { status: "True" }),
      condition("Ready", ready),
      condition("ContainersReady", ready),
    ] satisfies (Omit<StateCondition, "status" | "reason" | "message"> & object)[],
    hostIP: "192.0.2.10",
    ...(address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] }),
    startTime: pod.metadata.creationTimestamp ?? now,
    containerStatuses: containersOf(pod).map(({ name, image }) => ({
      name,
      // A merge keeps what isn't said: of three states two are taken out.
      state: { waiting: null, running: null, terminated: null, ...told.state },
      lastState: told.last ?? {},
      ready: told.ready,
      restartCount: told.restarts,
      image,
      imageID: running || told.restarts > 0 ? `${image.replace(/:[^:/]*$/, "")}@sha256:${"0".repeat(64)}` : "",
      started: told.started ?? false,
    })),
  };
}
