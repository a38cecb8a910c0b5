/** The status of a Pod that runs to its end, as its kubelet writes it: each container by itself. */
import type { RealContainer, RealPod } from "../nodes/types.ts";
import type { ContainerState } from "./pod-status.ts";

/** What is told of one container. */
export interface ContainerTold {
  state: ContainerState;
  last?: ContainerState;
  restarts: number;
  /** Once it is known. */
  imageID?: string;
}

/** What is told of the Pod. */
export interface RunTold {
  phase: "Pending" | "Running" | "Succeeded" | "Failed";
  reason?: string;
  message?: string;
  address?: string;
  startTime: string;
  containers: ReadonlyMap<string, ContainerTold>;
}

/** None has begun. */
export const initializing: ContainerTold = { state: { waiting: { reason: "PodInitializing" } }, restarts: 0 };

/** The status for a merge by type and name. */
export function runStatus({ spec }: RealPod, told: RunTold, now: string): object {
  const { initContainers = [], containers } = spec;
  const stateOf = ({ name }: RealContainer) => told.containers.get(name) ?? initializing;
  const completed = (one: RealContainer) => stateOf(one).state.terminated?.exitCode === 0;
  const runs = (one: RealContainer) => stateOf(one).state.running !== undefined;
  const statusOf = (one: RealContainer, ready: boolean) => {
    const { state, last, restarts, imageID = "" } = stateOf(one);
    return {
      name: one.name,
      // A merge keeps what isn't said: of three states two are taken out.
      state: { waiting: null, running: null, terminated: null, ...state },
      lastState: last ?? {},
      ready,
      restartCount: restarts,
      image: one.image,
      imageID,
    };
  };
  const { reason = null, message = null, address } = told;
  return {
    phase: told.phase,
    reason,
    message,
    conditions: conditionsOf(told.phase, {
      incomplete: initContainers.filter((one) => !completed(one)).map(({ name }) => name),
      unready: containers.filter((one) => !runs(one)).map(({ name }) => name),
    }).map((one) => ({ lastTransitionTime: now, reason: null, message: null, ...one })),
    hostIP: "192.0.2.10",
    ...(address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] }),
    startTime: told.startTime,
    ...(initContainers.length === 0
      ? {}
      : { initContainerStatuses: initContainers.map((one) => statusOf(one, completed(one))) }),
    containerStatuses: containers.map((one) => ({ ...statusOf(one, runs(one)), started: runs(one) })),
  };
}

interface Condition {
  type: string;
  status: "True" | "False";
  reason?: string;
  message?: string;
}

function conditionsOf(
  phase: RunTold["phase"],
  { incomplete, unready }: { incomplete: readonly string[]; unready: readonly string[] },
): Condition[] {
  const both = (condition: Omit<Condition, "type">): Condition[] =>
    ["Ready", "ContainersReady"].map((type) => ({ type, ...condition }));
  if (phase === "Succeeded") {
    const reason = "PodCompleted";
    return [{ type: "Initialized", status: "True", reason }, ...both({ status: "False", reason })];
  }
  const initialized: Condition =
    incomplete.length === 0
      ? { type: "Initialized", status: "True" }
      : {
          type: "Initialized",
          status: "False",
          reason: "ContainersNotInitialized",
          message: `containers with incomplete status: [${incomplete.join(" ")}]`,
        };
  if (phase === "Failed") return [initialized, ...both({ status: "False", reason: "PodFailed" })];
  if (unready.length === 0) return [initialized, ...both({ status: "True" })];
  const message = `containers with unready status: [${unready.join(" ")}]`;
  return [initialized, ...both({ status: "False", reason: "ContainersNotReady", message })];
}
