import { describe, expect, test } from "vitest";
import type { Event } from "../../api/event.ts";
import type { ContainerState, Pod } from "../kinds/pod.ts";
import type { ReplicaSet } from "../kinds/deployment.ts";
import { instanceState } from "./instance-state.ts";
import { podFinding, replicaFinding } from "./problem.ts";

const at = Date.parse("2026-01-01T00:00:10Z");
const ended = (more: object): ContainerState => ({
  terminated: { exitCode: 137, startedAt: "2026-01-01T00:00:00Z", finishedAt: "2026-01-01T00:00:10Z", ...more },
});

function pod(state: ContainerState, more: NonNullable<Pod["status"]> = {}, lastState: ContainerState = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", uid: "u", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { containers: [{ name: "user-container", image: "i@sha256:1", ports: [{ containerPort: 8080 }] }] },
    status: {
      phase: "Running",
      containerStatuses: [{ name: "user-container", state, lastState, ready: false, restartCount: 1, image: "i" }],
      ...more,
    },
  };
}

const probe = (message: string, second: number): Event => ({
  apiVersion: "v1",
  kind: "Event",
  metadata: { name: "e" },
  involvedObject: { uid: "u" },
  reason: "Unhealthy",
  message,
  lastTimestamp: `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`,
});

describe("podFinding", () => {
  test.each([
    ["of a start", pod({ waiting: { reason: "ContainerCreating" } }), undefined],
    ["of a run", pod({ running: {} }), undefined],
    [
      "of an image that can't be had",
      pod({ waiting: { reason: "ErrImagePull", message: "rpc error: code = Unknown desc = 401 Unauthorized" } }),
      { reason: "ContainerMissing", message: "401 Unauthorized" },
    ],
    [
      "of a back-off whose cause isn't known",
      pod({ waiting: { reason: "ImagePullBackOff", message: 'Back-off pulling image "i"' } }),
      { reason: "ContainerMissing", message: 'Back-off pulling image "i"' },
    ],
    [
      "of a user that isn't in the image",
      pod({ waiting: { reason: "CreateContainerError", message: "no such user" } }),
      { reason: "StartFailed", message: "CreateContainerError: no such user" },
    ],
    [
      "of a program that may not be run",
      pod(ended({ exitCode: 128, reason: "StartError", message: 'x: exec: "/a": permission denied: unknown' })),
      { reason: "ExitCode", code: 126, message: 'x: exec: "/a": permission denied', at },
    ],
    [
      "of another failed start",
      pod(ended({ exitCode: 128, reason: "StartError", message: "bad mount" })),
      { reason: "StartFailed", message: "bad mount", at },
    ],
    [
      "of an end while it waits for the next start",
      pod(
        { waiting: { reason: "CrashLoopBackOff", message: "back-off 10s" } },
        {},
        ended({ exitCode: 3, message: "a\nb\n" }),
      ),
      { reason: "ExitCode", code: 3, message: "b", at },
    ],
    [
      "of an eviction",
      pod({}, { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." }),
      { reason: "InsufficientResources", message: "Evicted: The node was low on resource: memory." },
    ],
  ])("podFinding() %s", (_, seen, expected) => {
    expect(podFinding(seen, [], undefined)).toEqual(expected);
  });

  test("podFinding() of a back-off keeps what the registry said before", () => {
    const before = { reason: "ContainerMissing", message: "404" } as const;
    expect(podFinding(pod({ waiting: { reason: "ImagePullBackOff" } }), [], before)).toBe(before);
  });

  test.each([
    ["a liveness probe that failed in that run", "Liveness probe failed: HTTP 500", 5, "LivenessProbeFailed"],
    ["a readiness probe", "Readiness probe failed: HTTP 500", 5, "ExitCode"],
    ["a liveness probe of a later run", "Liveness probe failed: HTTP 500", 20, "ExitCode"],
  ])("podFinding() of an end looks at %s", (_, message, second, reason) => {
    expect(podFinding(pod(ended({})), [probe(message, second)], undefined)?.reason).toBe(reason);
  });

  test.each([
    ["exceeded quota: q, requested: pods=1", "InsufficientResources"],
    ["maximum memory usage per Container is 1Gi, but limit is 2Gi", "InsufficientResources"],
    ['violates PodSecurity "restricted:latest": runAsNonRoot != true', "StartFailed"],
    ['error looking up service account n/x: serviceaccount "x" not found', "StartFailed"],
  ])("replicaFinding() says %s", (message, reason) => {
    const status = {
      conditions: [
        {
          type: "ReplicaFailure",
          status: "True",
          reason: "FailedCreate",
          message: `pods "p-1" is forbidden: ${message}`,
        },
      ],
    };
    const set: ReplicaSet = { apiVersion: "apps/v1", kind: "ReplicaSet", metadata: { name: "r" }, status };
    expect(replicaFinding(set)).toEqual({ reason, message });
  });
});

describe("instanceState", () => {
  const going = { draining: new Set(["p"]), drained: new Set<string>() };
  const ready = pod(
    { running: { startedAt: "2026-01-01T00:00:05Z" } },
    { podIP: "10.0.0.1", conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:06Z" }] },
  );
  const none = { draining: new Set<string>(), drained: new Set<string>() };

  test("instanceState() has address and times of a ready one", () => {
    expect(instanceState(ready, none, [probe("Readiness probe failed: x", 5)])).toEqual({
      id: "p",
      phase: "ready",
      image: "i@sha256:1",
      labels: {},
      address: { host: "10.0.0.1", port: 8080 },
      createdAt: at - 10_000,
      startedAt: at - 5_000,
      readyAt: at - 4_000,
      restarts: 1,
    });
  });

  test.each([
    ["draining before it is deleted", ready, going, "draining"],
    [
      "draining from its deletion on",
      { ...ready, metadata: { ...ready.metadata, deletionTimestamp: "x" } },
      none,
      "draining",
    ],
    [
      "stopping once drained",
      { ...ready, metadata: { ...ready.metadata, deletionTimestamp: "x" } },
      { ...none, drained: new Set(["p"]) },
      "stopping",
    ],
  ])("instanceState() is %s", (_, seen, leaving, phase) => {
    expect(instanceState(seen, leaving, []).phase).toBe(phase);
  });

  test("instanceState() tells what the last probe of this run said, and none of the run before", () => {
    const starting = pod({ running: { startedAt: "2026-01-01T00:00:05Z" } });
    expect(instanceState(starting, none, [probe("old", 4)]).probeFailure).toBeUndefined();
    expect(instanceState(starting, none, [probe("new", 7), probe("older", 6)]).probeFailure).toBe("new");
  });
});
