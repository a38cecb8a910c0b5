import { hostname } from "node:os";
import type { Condition } from "../../api/meta/types.ts";
import type { Pod } from "../../api/pod.ts";
import { rfc3339 } from "../../lib/clock.ts";
import { containerState } from "../../reconcilers/build/status.ts";
import type { BuildState } from "../../runtime/builds.ts";
import { uidOf } from "./pod-uid.ts";

const phases = {
  suspended: "Pending",
  queued: "Pending",
  running: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
} as const;

/** The name of the Pod that shows a build. An instance's name ends in more letters, so no instance has it. */
export function buildPodName(build: string): string {
  return `${build}-build`;
}

/** A build as a Pod, with a container for each step. */
export function buildPodOf(state: BuildState): Pod {
  const { key, uid, phase, steps, failure } = state;
  const name = buildPodName(key.name);
  const created = rfc3339(state.createdAt);
  const since = rfc3339(state.endedAt ?? state.startedAt ?? state.createdAt);
  const names = steps.map((step) => step.name).join(" ");
  const unready: Partial<Condition> =
    phase === "succeeded"
      ? { reason: "PodCompleted" }
      : { reason: "ContainersNotReady", message: `containers with unready status: [${names}]` };
  const condition = (type: string, holds: boolean): Condition => ({
    type,
    status: holds ? "True" : "False",
    lastTransitionTime: holds ? created : since,
    ...(holds ? {} : unready),
  });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: key.namespace,
      uid: uidOf(`build ${uid}`),
      creationTimestamp: created,
      labels: state.labels,
    },
    spec: {
      containers: steps.map((step) => ({
        name: step.name,
        ...(step.image === undefined ? {} : { image: step.image }),
      })),
      nodeName: hostname(),
      restartPolicy: "Never",
    },
    status: {
      phase: phases[phase],
      conditions: [
        condition("ContainersReady", false),
        condition("Initialized", true),
        condition("PodScheduled", true),
        condition("Ready", false),
      ],
      startTime: created,
      ...(failure === undefined ? {} : { reason: failure.reason, message: failure.message.slice(0, 4096) }),
      containerStatuses: steps.map((step) => ({
        name: step.name,
        image: step.image ?? "",
        imageID: step.image ?? "",
        ready: false,
        started: step.phase === "running",
        restartCount: 0,
        state: containerState(step),
      })),
    },
  };
}
