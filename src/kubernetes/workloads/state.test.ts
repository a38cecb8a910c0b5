import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Event } from "../../api/event.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import type { WorkloadProblem, WorkloadState } from "../../runtime/workloads.ts";
import type { Deployment, ReplicaSet } from "../kinds/deployment.ts";
import type { Pod } from "../kinds/pod.ts";
import type { EndpointSlice } from "../kinds/service.ts";
import { workloadState } from "./state.ts";

type Line = { step: string } | { type: "ADDED" | "MODIFIED" | "DELETED"; kind: string; object: KubeObject };

const folder = new URL("../../../test/support/recordings/workloads/", import.meta.url);

/** What the recorded objects of a real Kubernetes say, one line for each change: phases by age, and the problem. */
function replay(name: string): string[] {
  const lines = readFileSync(new URL(`${name}.jsonl`, folder), "utf8")
    .trimEnd()
    .split("\n");
  const objects = new Map<string, KubeObject>();
  const all = <T>(kind: string) =>
    [...objects].flatMap(([key, object]) => (key.startsWith(`${kind} `) ? [object as T] : []));
  const told: string[] = [];
  let before: WorkloadProblem | undefined;
  for (const line of lines.map((text) => JSON.parse(text) as Line)) {
    if ("step" in line) {
      told.push(`# ${line.step}`);
      continue;
    }
    const key = `${line.kind} ${line.object.metadata.name}`;
    if (line.type === "DELETED") objects.delete(key);
    else objects.set(key, line.object);
    const deployment = all<Deployment>("Deployment")[0];
    const seen = {
      key: { namespace: name, name: "app" },
      desired: deployment?.spec.replicas ?? 0,
      pods: all<Pod>("Pod").filter(
        ({ metadata }) => metadata.labels?.["app"] === "app" || metadata.labels?.["app"] === undefined,
      ),
      deployment,
      replicaSets: all<ReplicaSet>("ReplicaSet"),
      slices: all<EndpointSlice>("EndpointSlice"),
      probes: all<Event>("Event").filter(({ reason }) => reason === "Unhealthy"),
      leaving: { draining: new Set<string>(), drained: new Set<string>() },
      refused: undefined,
      before,
    };
    const state = workloadState(seen, Date.parse("2026-11-23T00:00:00Z"));
    before = state.problem;
    const text = shown(state);
    if (told.at(-1) !== text) told.push(text);
  }
  return told;
}

function shown({ instances, problem, desired }: WorkloadState): string {
  const phases = instances.map(({ phase, restarts, probeFailure }) =>
    [phase, ...(restarts > 0 ? [`r${restarts}`] : []), ...(probeFailure === undefined ? [] : ["probe"])].join("+"),
  );
  const why =
    problem === undefined
      ? ""
      : ` ${problem.reason}${problem.code === undefined ? "" : ` ${problem.code}`}: ${problem.message}`;
  return `${desired}: ${phases.join(" ") || "-"}${why}`;
}

/** Phases by age (`r2`: restarted twice, `probe`: a probe failed), wanted in front; steps of the recording after `#`. */
const recorded: [name: string, states: string[]][] = [
  [
    "good-start-scale",
    [
      "# create the Service",
      "0: -",
      "# create the Deployment",
      "1: -",
      "1: creating",
      "1: starting",
      "1: ready",
      "# scale to 3 through the scale subresource",
      "3: ready",
      "3: ready creating",
      "3: ready creating creating",
      "3: ready creating starting",
      "3: ready creating ready",
      "3: ready starting ready",
      "3: ready ready ready",
      "# scale to 0",
      "0: ready ready ready",
      "0: draining ready ready",
      "0: draining ready draining",
      "0: draining draining draining",
      "0: draining draining",
      "0: draining",
      "0: -",
    ],
  ],
  [
    "rolling-update",
    [
      "# create the Service",
      "# create the Deployment",
      "0: -",
      "2: -",
      "2: creating",
      "2: creating creating",
      "2: starting creating",
      "2: starting starting",
      "2: ready starting",
      "2: ready ready",
      "# new environment",
      "2: ready ready",
      "2: ready ready creating",
      "2: ready ready starting",
      "2: ready ready ready",
      "2: draining ready ready",
      "2: draining ready ready creating",
      "2: ready ready creating",
      "2: ready ready starting",
      "2: ready ready ready",
      "2: draining ready ready",
      "2: ready ready",
    ],
  ],
  [
    "image-missing",
    [
      "# create the Service",
      "0: -",
      "# create the Deployment",
      "1: -",
      "1: creating",
      '1: creating ContainerMissing: failed to resolve reference "registry.example/missing:1": registry.example/missing:1: not found',
      "# correct the image",
      '1: creating ContainerMissing: failed to resolve reference "registry.example/missing:1": registry.example/missing:1: not found',
      '1: creating creating ContainerMissing: failed to resolve reference "registry.example/missing:1": registry.example/missing:1: not found',
      '1: creating starting ContainerMissing: failed to resolve reference "registry.example/missing:1": registry.example/missing:1: not found',
      "1: creating ready",
      "1: draining ready",
      "1: ready",
    ],
  ],
  [
    "bad-command",
    [
      "# create the Deployment",
      "1: -",
      "1: creating",
      '1: waiting ExitCode 127: exec: "/does-not-exist": stat /does-not-exist: no such file or directory',
      '1: waiting+r1 ExitCode 127: exec: "/does-not-exist": stat /does-not-exist: no such file or directory',
      '1: waiting+r2 ExitCode 127: exec: "/does-not-exist": stat /does-not-exist: no such file or directory',
    ],
  ],
  [
    "config-missing",
    [
      "# create the Deployment",
      "1: -",
      "1: creating",
      '1: creating StartFailed: CreateContainerConfigError: configmap "settings" not found',
      "# create the ConfigMap",
      "1: starting",
      "1: ready",
    ],
  ],
  [
    "exit-127",
    [
      "# create the Service",
      "0: -",
      "# create the Deployment",
      "1: -",
      "1: creating",
      "1: waiting ExitCode 127: app: cannot find its configuration",
      "1: waiting+r1 ExitCode 127: app: cannot find its configuration",
      "1: waiting+r2 ExitCode 127: app: cannot find its configuration",
      "1: waiting+r3 ExitCode 127: app: cannot find its configuration",
    ],
  ],
  [
    "never-ready",
    [
      "# create the Service",
      "0: -",
      "# create the Deployment",
      "1: -",
      "1: creating",
      "1: creating+probe",
      "1: starting+probe",
    ],
  ],
  [
    "oom-killed",
    [
      "# create the Deployment",
      "1: -",
      "1: creating",
      "1: waiting OOMKilled 137: Container was killed: it used more memory than its limit, or than the node has",
      "1: waiting+r1 OOMKilled 137: Container was killed: it used more memory than its limit, or than the node has",
      "1: waiting+r2 OOMKilled 137: Container was killed: it used more memory than its limit, or than the node has",
    ],
  ],
  [
    "quota-exceeded",
    [
      "# create the ResourceQuota",
      "# create the Deployment",
      "2: -",
      "2: creating",
      "2: creating InsufficientResources: exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1",
      "2: starting InsufficientResources: exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1",
      "2: ready",
      "# create a Pod directly",
      "# scale to 1",
      "1: ready",
    ],
  ],
  [
    "unschedulable",
    [
      "# create the Deployment",
      "1: -",
      "1: creating",
      "1: creating InsufficientResources: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod..",
      "# smaller request",
      "1: creating InsufficientResources: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod..",
      "1: creating creating InsufficientResources: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod..",
      "1: creating starting InsufficientResources: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod..",
      "1: creating ready",
      "1: draining ready",
      "1: ready",
    ],
  ],
  [
    "pod-delete-grace",
    [
      "# create the Service",
      "# create the Pod",
      "0: -",
      "0: creating",
      "0: starting",
      "0: ready",
      "# delete the Pod",
      "0: draining",
      "# delete it again while it terminates",
      "0: draining+probe",
      "0: -",
      "# and once it is gone",
      "# a Pod to delete with grace 0",
      "0: creating",
      "0: ready",
      "# delete with gracePeriodSeconds 0",
      "0: draining",
      "0: -",
    ],
  ],
  [
    "eviction-budget",
    [
      "# create the Service",
      "# create the Deployment",
      "0: -",
      "1: -",
      "1: creating",
      "1: starting",
      "1: ready",
      "# create the budget",
      "1: ready",
      "# evict: refused",
      "# scale to 2",
      "2: ready",
      "2: ready creating",
      "2: ready starting",
      "2: ready ready",
      "# evict dryRun",
      "# evict: allowed",
      "2: ready ready",
      "2: draining ready",
      "2: draining ready creating",
      "# evict it again",
      "2: draining ready creating",
      "2: ready creating",
      "2: ready starting",
      "2: ready ready",
      "# evict a pod that is not there",
    ],
  ],
  [
    "drain",
    [
      "# create the Service",
      "# create the Deployment",
      "0: -",
      "1: -",
      "1: creating",
      "1: starting",
      "1: ready",
      "# create a DaemonSet",
      "1: ready",
      "# kubectl drain",
      "1: ready",
      "1: draining",
      "1: draining creating",
      "1: draining creating InsufficientResources: Unschedulable: 0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling..",
      "1: draining+probe creating InsufficientResources: Unschedulable: 0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling..",
      "1: creating InsufficientResources: Unschedulable: 0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling..",
      "# kubectl uncordon",
      "1: creating InsufficientResources: Unschedulable: 0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling..",
      "1: creating",
      "1: starting",
      "1: ready",
    ],
  ],
  [
    "delete-foreground",
    [
      "# create the Service",
      "# create the Deployment",
      "0: -",
      "1: -",
      "1: creating",
      "1: starting",
      "1: ready",
      "# delete the Deployment",
      "1: ready",
      "1: draining",
      "1: -",
      "0: -",
    ],
  ],
  [
    "delete-background",
    [
      "# create the Service",
      "# create the Deployment",
      "0: -",
      "1: -",
      "1: creating",
      "1: starting",
      "1: ready",
      "# delete the Deployment",
      "0: ready",
      "0: draining",
      "0: -",
    ],
  ],
  [
    "delete-orphan",
    [
      "# create the Service",
      "# create the Deployment",
      "0: -",
      "1: -",
      "1: creating",
      "1: starting",
      "1: ready",
      "# delete the Deployment",
      "1: ready",
      "0: ready",
    ],
  ],
  [
    "namespace-delete",
    [
      "# create the Service",
      "# create the Deployment",
      "0: -",
      "1: -",
      "1: creating",
      "1: starting",
      "1: ready",
      "# delete the Namespace",
      "# create in a terminating Namespace",
      "# read the Namespace",
      "1: draining",
      "0: draining",
      "0: -",
      "# read the Namespace again",
    ],
  ],
];

describe("workloadState", () => {
  test.each(recorded)("workloadState() follows the recording %s", (name, states) => {
    expect(replay(name)).toEqual(states);
  });
});
