import { hostname } from "node:os";
import { revisionLabel } from "../../api/labels.ts";
import type { Condition } from "../../api/meta/types.ts";
import { Pod } from "../../api/pod.ts";
import type { VirtualKind } from "../../apiserver/virtual-kinds.ts";
import { rfc3339 } from "../../lib/clock.ts";
import type { BuildsPort } from "../../runtime/builds.ts";
import type { InstanceExit, InstanceState, WorkloadState, WorkloadsPort } from "../../runtime/workloads.ts";
import { buildPodOf } from "./build-pods.ts";
import { uidOf } from "./pod-uid.ts";

/** The one container of each Pod. */
export const containerName = "user-container";

/** What Pods show: instances and builds. */
export interface Shown extends Pick<WorkloadsPort, "list" | "subscribe"> {
  builds: Pick<BuildsPort, "list" | "subscribe">;
}

/** Every instance and every build, as Pods. */
export function podView(shown: Shown): VirtualKind {
  // Finished builds are kept for days and change no more: to make and compare them all at each change of an instance would hold control up.
  let finished = new Map<string, Pod>();
  const buildPods = (): Pod[] => {
    const before = finished;
    finished = new Map();
    return shown.builds.list().map((state) => {
      if (state.phase !== "succeeded" && state.phase !== "failed") return buildPodOf(state);
      const pod = before.get(state.uid) ?? buildPodOf(state);
      finished.set(state.uid, pod);
      return pod;
    });
  };
  return {
    kind: Pod,
    list: () => [...shown.list().flatMap(podsOf), ...buildPods()],
    subscribe(listener) {
      const ends = [shown.subscribe(listener), shown.builds.subscribe(listener)];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}

/** The instances of a workload as Pods: what `kubectl get pods`, `describe`, `logs` and `wait` look at. */
export function podsOf(workload: WorkloadState): Pod[] {
  // Nothing of what is prepared runs.
  return workload.instances.filter(({ phase }) => phase !== "prepared").map((instance) => podOf(workload, instance));
}

function podOf({ key, problem }: WorkloadState, instance: InstanceState): Pod {
  const { id, phase, image, labels, address, createdAt, startedAt, readyAt } = instance;
  const ready = phase === "ready";
  const goes = (phase === "draining" && instance.stays !== true) || phase === "stopping";
  const running = startedAt !== undefined && phase !== "waiting" && phase !== "creating";
  const since = rfc3339(readyAt ?? startedAt ?? createdAt);
  const condition = (type: string, holds: boolean, lastTransitionTime: string): Condition => ({
    type,
    status: holds ? "True" : "False",
    lastTransitionTime,
    ...(holds || type === "PodScheduled" || type === "Initialized"
      ? {}
      : { reason: "ContainersNotReady", message: `containers with unready status: [${containerName}]` }),
  });
  const created = rfc3339(createdAt);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: id,
      namespace: key.namespace,
      uid: uidOf(id),
      creationTimestamp: created,
      labels: { ...labels, [revisionLabel]: key.name },
      ...(goes ? { deletionTimestamp: since } : {}),
    },
    spec: {
      containers: [{ name: containerName, image, ...portsOf(address) }],
      nodeName: hostname(),
      restartPolicy: "Always",
    },
    status: {
      phase: running ? "Running" : "Pending",
      conditions: [
        condition("ContainersReady", ready, since),
        condition("Initialized", true, created),
        condition("PodScheduled", true, created),
        condition("Ready", ready, since),
      ],
      startTime: created,
      ...(address === undefined ? {} : { podIP: address.host, podIPs: [{ ip: address.host }] }),
      containerStatuses: [
        {
          name: containerName,
          image,
          imageID: image,
          containerID: `elafros://${id}`,
          ready,
          started: running,
          restartCount: instance.restarts,
          state: stateOf(instance, { running, problem }),
          ...(instance.lastExit === undefined ? {} : { lastState: { terminated: terminatedOf(instance.lastExit) } }),
        },
      ],
    },
  };
}

function portsOf(address: InstanceState["address"]): { ports?: { containerPort: number; protocol: string }[] } {
  return address === undefined ? {} : { ports: [{ containerPort: address.port, protocol: "TCP" }] };
}

function stateOf(
  { phase, startedAt, lastExit }: InstanceState,
  { running, problem }: { running: boolean; problem: WorkloadState["problem"] },
) {
  if (running && startedAt !== undefined) return { running: { startedAt: rfc3339(startedAt) } };
  if (phase === "waiting") {
    const message = lastExit?.message ?? problem?.message ?? "";
    return { waiting: { reason: "CrashLoopBackOff", message } };
  }
  if (problem?.reason === "ContainerMissing") {
    return { waiting: { reason: "ImagePullBackOff", message: problem.message } };
  }
  return { waiting: { reason: "ContainerCreating" } };
}

function terminatedOf(exit: InstanceExit) {
  const reason = exit.oomKilled ? "OOMKilled" : exit.code === 0 ? "Completed" : "Error";
  return { exitCode: exit.code, reason, finishedAt: rfc3339(exit.at), message: exit.message };
}
