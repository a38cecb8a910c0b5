import { expect, test } from "vitest";
import type { InstanceState, WorkloadState } from "../../runtime/workloads.ts";
import { podsOf } from "./pods.ts";

const at = Date.UTC(2026, 0, 1);
const instance: InstanceState = {
  id: "app-00001-k3x9",
  phase: "ready",
  image: "registry/app@sha256:1",
  labels: { app: "x" },
  address: { host: "10.0.0.2", port: 8080 },
  createdAt: at,
  startedAt: at + 1_000,
  readyAt: at + 2_000,
  restarts: 0,
};

function pod(change: Partial<InstanceState> = {}, problem?: WorkloadState["problem"]) {
  const [made] = podsOf({
    key: { namespace: "team", name: "app-00001" },
    desired: 1,
    instances: [{ ...instance, ...change }],
    ...(problem === undefined ? {} : { problem }),
  });
  if (made?.status?.containerStatuses === undefined) throw new Error("No Pod");
  const [container] = made.status.containerStatuses;
  if (container === undefined) throw new Error("No container");
  return { pod: made, status: made.status, container };
}

/** An instance that has no process. */
function without(
  phase: InstanceState["phase"],
  problem?: WorkloadState["problem"],
  change: Partial<InstanceState> = {},
) {
  const { address: _, startedAt: __, readyAt: ___, ...bare } = instance;
  const [made] = podsOf({
    key: { namespace: "team", name: "app-00001" },
    desired: 1,
    instances: [{ ...bare, phase, ...change }],
    ...(problem === undefined ? {} : { problem }),
  });
  return made?.status?.containerStatuses?.[0];
}

test("podsOf() shows an instance that is ready as a running, ready Pod of its Revision", () => {
  const { pod: made, status, container } = pod();
  expect(made.metadata).toMatchObject({
    name: "app-00001-k3x9",
    namespace: "team",
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels: { app: "x", "elafros.dev/revision": "app-00001" },
  });
  expect(made.metadata.deletionTimestamp).toBeUndefined();
  expect(status).toMatchObject({ phase: "Running", podIP: "10.0.0.2" });
  expect(status.conditions?.map(({ type, status: holds }) => `${type}=${holds}`)).toEqual([
    "ContainersReady=True",
    "Initialized=True",
    "PodScheduled=True",
    "Ready=True",
  ]);
  expect(container).toMatchObject({
    ready: true,
    started: true,
    state: { running: { startedAt: "2026-01-01T00:00:01Z" } },
  });
});

test("podsOf() gives an instance the same uid each time, of RFC 9562's form, and others another", () => {
  expect(pod().pod.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(pod().pod.metadata.uid).toBe(pod({ phase: "starting" }).pod.metadata.uid);
  expect(pod({ id: "app-00001-other" }).pod.metadata.uid).not.toBe(pod().pod.metadata.uid);
});

test("podsOf() shows one that runs and isn't ready as such, with the container's name", () => {
  const { status, container } = pod({ phase: "starting" });
  expect([status.phase, container.ready, container.started]).toEqual(["Running", false, true]);
  expect(status.conditions?.find(({ type }) => type === "Ready")).toMatchObject({
    status: "False",
    reason: "ContainersNotReady",
    message: "containers with unready status: [user-container]",
  });
});

test("podsOf() shows one that goes as being deleted", () => {
  for (const phase of ["draining", "stopping"] as const) {
    expect(pod({ phase }).pod.metadata.deletionTimestamp, phase).toBe("2026-01-01T00:00:02Z");
  }
});

test("podsOf() shows what is frozen as a container that isn't ready, and nothing of what is only prepared", () => {
  const { status, container } = pod({ phase: "frozen" });
  expect([status.phase, container.ready, container.state]).toEqual([
    "Running",
    false,
    { running: { startedAt: "2026-01-01T00:00:01Z" } },
  ]);
  expect(without("prepared")).toBeUndefined();
  // On its way there it is no Pod that is being deleted.
  expect(pod({ phase: "draining", stays: true }).pod.metadata.deletionTimestamp).toBeUndefined();
});

test("podsOf() says what one waits for, in Kubernetes' words", () => {
  expect(without("creating")?.state).toEqual({ waiting: { reason: "ContainerCreating" } });
  const missing = { reason: "ContainerMissing", message: "no such image", at } as const;
  expect(without("creating", missing)?.state).toEqual({
    waiting: { reason: "ImagePullBackOff", message: "no such image" },
  });
  const lastExit = { code: 137, oomKilled: true, message: "Killed", at: at + 5_000 };
  const crashed = without("waiting", undefined, { lastExit, restarts: 3 });
  expect(crashed).toMatchObject({
    restartCount: 3,
    state: { waiting: { reason: "CrashLoopBackOff", message: "Killed" } },
    lastState: { terminated: { reason: "OOMKilled", exitCode: 137, finishedAt: "2026-01-01T00:00:05Z" } },
  });
});

test("podsOf() names how a run ended", () => {
  const reason = (code: number) =>
    pod({ lastExit: { code, oomKilled: false, message: "", at } }).container.lastState?.terminated?.reason;
  expect([reason(0), reason(1)]).toEqual(["Completed", "Error"]);
});
