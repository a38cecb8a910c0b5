import { hostname } from "node:os";
import { createHash } from "node:crypto";
import { revisionLabel } from "../../api/labels.ts";
import type { Condition } from "../../api/meta/types.ts";
import type { Pod } from "../../api/pod.ts";
import { rfc3339 } from "../../lib/clock.ts";
import type { InstanceExit, InstanceState, WorkloadState } from "../../runtime/workloads.ts";

/** The one container of each Pod. */
export const containerName = "user-container";

/** The instances of a workload as Pods: what `kubectl get pods`, `describe`, `logs` and `wait` look at. */
export function podsOf(workload: WorkloadState): Pod[] {
  return workload.instances.map((instance) => podOf(workload, instance));
}

function podOf({ key, problem }: WorkloadState, instance: InstanceState): Pod {
  const { id, phase, image, labels, address, createdAt, startedAt, readyAt } = instance;
  const ready = phase === "ready";
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
      ...(phase === "draining" || phase === "stopping" ? { deletionTimestamp: since } : {}),
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

/** A uid that is the same in each control: of an instance's own name, in the form of RFC 9562. */
function uidOf(id: string): string {
  const hex = createHash("sha256").update(id).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}
