import { describe, expect, it } from "vitest";
import type { Revision } from "../../api/revision.ts";
import type { InstancePhase, InstanceSpec, WorkloadProblem, WorkloadState } from "../../runtime/workloads.ts";
import { type RevisionObserved, planRevision } from "./plan.ts";

const now = Date.UTC(2026, 0, 1);
const digest = `registry.example/app@sha256:${"a".repeat(64)}`;
const spec = { image: digest } as InstanceSpec;
const made: Revision = {
  apiVersion: "elafros.dev/v1alpha1",
  kind: "Revision",
  metadata: {
    name: "app-00001",
    namespace: "ns",
    generation: 1,
    labels: { "elafros.dev/configuration": "app" },
    finalizers: ["elafros.dev/routed"],
  },
  spec: { container: { image: "registry.example/app:1" }, containerConcurrency: 4, timeoutSeconds: 20 },
};

function workload(phase: InstancePhase, problem?: Omit<WorkloadProblem, "at">, probeFailure?: string): WorkloadState {
  return {
    key: { namespace: "ns", name: "app-00001" },
    desired: 1,
    instances: [
      {
        id: "i",
        image: digest,
        labels: {},
        phase,
        createdAt: now,
        restarts: 0,
        ...(probeFailure === undefined ? {} : { probeFailure }),
      },
    ],
    ...(problem === undefined ? {} : { problem: { ...problem, at: now } }),
  };
}

function observe(seen: Partial<RevisionObserved> = {}): RevisionObserved {
  return {
    revision: made,
    routes: [],
    routed: false,
    workload: undefined,
    build: { state: "none" },
    image: { state: "none" },
    auths: [],
    makeSpec: (image) => ({ spec: { ...spec, image } }),
    decide: ({ wasReady, routed }) => (!wasReady || routed ? 1 : 0),
    steps: [],
    toldStepAt: 0,
    toldProblemAt: undefined,
    progressDeadlineMs: 120_000,
    logUrl: "/logs",
    ...seen,
  };
}

/** Plans, and plans again with the status that was written: that must change nothing. */
function plan(seen: RevisionObserved, at = now) {
  const first = planRevision(seen, at);
  if (first.status !== undefined) {
    const told = seen.workload?.problem?.at;
    const again = planRevision(
      { ...seen, toldProblemAt: told, revision: { ...seen.revision, status: first.status } },
      at + 500,
    );
    expect(again.status).toEqual(first.status);
    expect(again.events.filter(({ once }) => once !== true)).toEqual([]);
  }
  return first;
}

/** With the digest resolved, so that instances run. */
function running(seen: Partial<RevisionObserved> = {}, at = now) {
  const started = planRevision(observe({ image: { state: "resolved", exact: digest } }), at).status ?? {};
  return observe({ ...seen, revision: { ...made, status: started } });
}

/** After it was ready once. */
function readyOnce(seen: Partial<RevisionObserved> = {}) {
  const status = planRevision(running({ workload: workload("ready"), routed: true }), now).status ?? {};
  return observe({ ...seen, revision: { ...made, status } });
}

const condition = (planned: ReturnType<typeof planRevision>, type: string) => {
  const { status, reason, message } = planned.status?.conditions?.find((one) => one.type === type) ?? {};
  return [status, reason, message].filter((part) => part !== undefined);
};
const dos = (planned: ReturnType<typeof planRevision>) =>
  planned.actions.map((action) => (action.do === "scale" ? `scale ${planned.status?.desiredReplicas}` : action.do));

describe("planRevision() resolves the image", () => {
  it("asks for the digest first, and starts nothing before it is in the status", () => {
    const first = plan(observe());
    expect(first.actions[0]).toEqual({
      do: "setTraffic",
      traffic: {
        revision: "ns/app-00001",
        configuration: "ns/app",
        protocol: "http1",
        concurrency: 4,
        timeoutMs: 20_000,
      },
    });
    expect(first.actions[1]).toEqual({
      do: "resolveImage",
      request: { reference: "registry.example/app:1", auths: [], policy: "IfNotPresent" },
    });
    expect(condition(first, "Ready")).toEqual(["False", "Deploying", "Starting Instances"]);
    expect(dos(planRevision(observe({ image: { state: "pending" } }), now))).toEqual(["setTraffic"]);
    const resolved = planRevision(observe({ image: { state: "resolved", exact: digest } }), now);
    expect(dos(resolved)).toEqual(["setTraffic"]);
    expect(resolved.status?.imageDigest).toBe(digest);
  });

  it("never resolves again once the digest is known", () => {
    const other = { state: "resolved", exact: "registry.example/app@sha256:other" } as const;
    const planned = plan(running({ image: other }));
    expect(planned.status?.imageDigest).toBe(digest);
    expect(dos(planned)).toEqual(["setTraffic", "scale 1"]);
  });

  it("tells a failure, tries again when its time comes, and at once with other credentials", () => {
    const asked = { reference: "registry.example/app:1", auths: [], policy: "IfNotPresent" as const };
    const image = { state: "failed", message: "denied", retryAt: now + 2_000, asked } as const;
    const planned = plan(observe({ image }));
    expect(dos(planned)).toEqual(["setTraffic"]);
    expect(planned.requeueAfterMs).toBe(2_000);
    const fault = ["False", "ContainerMissing", 'Unable to fetch image "registry.example/app:1": denied'];
    expect(condition(planned, "Ready")).toEqual(fault);
    expect(condition(planned, "ContainerHealthy")).toEqual(fault);
    expect(planned.events.map(({ reason }) => reason)).toEqual(["ContainerMissing"]);
    expect(planned.actions[0]).toMatchObject({
      traffic: { problem: { reason: "ContainerMissing", message: fault[2] } },
    });
    expect(dos(planRevision(observe({ image }), now + 2_000))).toContain("resolveImage");
    const auths = [{ registry: "registry.example", username: "u", password: "p" }];
    expect(dos(planRevision(observe({ image, auths }), now))).toContain("resolveImage");
  });
});

describe("planRevision() decides how many run", () => {
  it.each([
    ["one until it was ready, routed or not", running(), "scale 1"],
    ["none once it was ready and no Route leads to it", readyOnce(), "scale 0"],
    ["one while a Route leads to it", readyOnce({ routed: true, routes: ["web"] }), "scale 1"],
  ])("%s", (_, seen, expected) => {
    expect(dos(plan(seen))).toEqual(["setTraffic", expected]);
  });

  it("starts nothing while something is missing, lets what runs run on, and can still go to none", () => {
    const missing = { makeSpec: () => ({ missing: ['secret "s" not found', 'configmap "c" not found'] }) };
    const planned = plan(running(missing));
    expect(dos(planned)).toEqual(["setTraffic", "hold"]);
    const message = 'Cannot start: secret "s" not found; configmap "c" not found';
    expect(condition(planned, "Ready")).toEqual(["False", "StartFailed", message]);
    expect(planned.events).toEqual([{ type: "Warning", reason: "StartFailed", message, once: true }]);

    const serving = planRevision(readyOnce({ ...missing, routed: true, workload: workload("ready") }), now);
    expect(dos(serving)).toEqual(["setTraffic", "hold"]);
    expect(condition(serving, "ContainerHealthy")).toEqual(["True"]);
    expect(dos(planRevision(readyOnce({ ...missing, workload: workload("ready") }), now))).toEqual([
      "setTraffic",
      "removeWorkload",
    ]);
  });
});

describe("planRevision() tells in conditions", () => {
  it("that an instance is ready", () => {
    const planned = plan(running({ workload: workload("ready"), routed: true }));
    for (const type of ["Ready", "ContainerHealthy", "ResourcesAvailable", "Active"]) {
      expect(condition(planned, type)).toEqual(["True"]);
    }
    expect(planned.status).toMatchObject({
      actualReplicas: 1,
      desiredReplicas: 1,
      logUrl: "/logs",
      observedGeneration: 1,
    });
    expect(planned.events).toEqual([{ type: "Normal", reason: "Ready", message: "An instance is ready" }]);
  });

  it("once that it won't be frozen where it can't be", () => {
    const annotations = { "autoscaling.elafros.dev/idle": "freeze" };
    const revision = { ...made, metadata: { ...made.metadata, annotations } };
    const reasonsOf = (more: Partial<RevisionObserved>) =>
      plan({ ...running({ workload: workload("ready"), routed: true }), revision, ...more }).events.map(
        ({ reason }) => reason,
      );
    expect(reasonsOf({ freezes: false })).toEqual(["Ready", "FreezeUnsupported"]);
    expect(reasonsOf({ freezes: true })).toEqual(["Ready"]);
    expect(reasonsOf({ freezes: false, revision: made })).toEqual(["Ready"]);
  });

  it.each([
    [
      { reason: "ExitCode", code: 127, message: "not found" },
      "ContainerHealthy",
      "ExitCode127",
      "Container failed with: not found",
    ],
    [{ reason: "OOMKilled", code: 137, message: "over 64Mi" }, "ContainerHealthy", "OOMKilled", "over 64Mi"],
    [{ reason: "ReadinessProbeFailed", message: "refused" }, "ContainerHealthy", "ReadinessProbeFailed", "refused"],
    [{ reason: "StartFailed", message: "no such user" }, "ContainerHealthy", "StartFailed", "no such user"],
    [
      { reason: "ContainerMissing", message: "gone" },
      "ContainerHealthy",
      "ContainerMissing",
      'Unable to fetch image "registry.example/app:1": gone',
    ],
    [
      { reason: "InsufficientResources", message: "8 of 2 cores" },
      "ResourcesAvailable",
      "InsufficientResources",
      "8 of 2 cores",
    ],
  ] as const)("%j of a first start", (problem, type, reason, message) => {
    const planned = plan(running({ workload: workload("waiting", problem) }));
    expect(condition(planned, type)).toEqual(["False", reason, message]);
    expect(condition(planned, "Ready")).toEqual(["False", reason, message]);
    expect(planned.events).toEqual([
      { type: "Warning", reason, message: expect.stringContaining(problem.message) as string },
    ]);
    expect(planned.actions.at(-1)).toEqual({ do: "problemTold", at: now });
  });

  it("later trouble without taking Ready back", () => {
    const problem = { reason: "ExitCode", code: 3, message: "boom" } as const;
    const planned = plan(readyOnce({ routed: true, workload: workload("waiting", problem) }));
    expect(condition(planned, "Ready")).toEqual(["True"]);
    expect(condition(planned, "ContainerHealthy")).toEqual(["False", "ExitCode3", "Container failed with: boom"]);
    expect(condition(planned, "Active")).toEqual(["Unknown", "Activating"]);
    // The failure stays to be seen when the instance has gone.
    const gone = planRevision({ ...readyOnce(), revision: { ...made, status: planned.status ?? {} } }, now);
    expect(condition(gone, "ContainerHealthy")[1]).toBe("ExitCode3");
  });

  it("nothing of an old problem twice after a restart of control", () => {
    const problem = { reason: "ExitCode", code: 3, message: "boom" } as const;
    const seen = running({ workload: workload("waiting", problem) });
    const { status } = planRevision(seen, now);
    const restarted = planRevision({ ...seen, revision: { ...made, status: status ?? {} } }, now + 1);
    expect(restarted.events).toEqual([]);
  });

  it("that no Route leads to it", () => {
    expect(condition(plan(readyOnce()), "Active")).toEqual([
      "False",
      "NoTraffic",
      "The target is not receiving traffic.",
    ]);
  });

  it("that its instance is frozen, and that it goes on", () => {
    const asleep = { routed: true, decide: () => 0 };
    const planned = plan(readyOnce({ ...asleep, workload: workload("frozen") }));
    expect(condition(planned, "Active")).toEqual(["False", "Frozen", "The instance is frozen until the next request."]);
    expect(planned.status?.actualReplicas).toBe(0);
    // Prepared is nothing to be told of.
    expect(condition(plan(readyOnce({ ...asleep, workload: workload("prepared") })), "Active")[1]).toBe("NoTraffic");
    expect(condition(plan(readyOnce({ routed: true, workload: workload("frozen") })), "Active")[1]).toBe("Activating");
  });

  it("that it is late, with what the last probe said where there is no better reason", () => {
    const waiting = planRevision(running({ workload: workload("starting") }), now + 1_000);
    expect(waiting.requeueAfterMs).toBe(119_000);
    const late = plan(running({ workload: workload("starting") }), now + 120_000);
    expect(condition(late, "Ready")).toEqual([
      "False",
      "ProgressDeadlineExceeded",
      "Did not become ready in 120 seconds.",
    ]);
    expect(late.events.map(({ reason }) => reason)).toEqual(["ProgressDeadlineExceeded"]);
    const probed = plan(running({ workload: workload("starting", undefined, "status 500") }), now + 120_000);
    expect(condition(probed, "Ready")).toEqual(["False", "ReadinessProbeFailed", "status 500"]);
    const crashed = workload("waiting", { reason: "ExitCode", code: 1, message: "x" });
    expect(condition(plan(running({ workload: crashed }), now + 120_000), "Ready")[1]).toBe("ExitCode1");
  });
});

describe("planRevision() ends a deleted Revision", () => {
  const deleted = { ...made, metadata: { ...made.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };

  it("at once where no Route names it", () => {
    expect(dos(planRevision(observe({ revision: deleted }), now))).toEqual([
      "removeWorkload",
      "removeTraffic",
      "removeFinalizer",
    ]);
  });

  it("never while one does, and names the Routes", () => {
    const planned = planRevision(observe({ revision: deleted, routes: ["a", "b"], routed: true }), now);
    expect(dos(planned)).not.toContain("removeFinalizer");
    expect(planned.events[0]).toMatchObject({ reason: "StillRouted", once: true });
    expect(planned.events[0]?.message).toContain('"a", "b"');
  });
});

describe("planRevision() waits for the Build", () => {
  const imageDigest = "registry.example/app@sha256:built";
  const imageSource = { repository: "https://git.example/app", context: "abc" };
  const failure = {
    state: "failed",
    reason: "BuildStepFailed",
    message: 'Step "install" failed with error message: boom',
  } as const;

  it("resolves nothing and starts nothing while it runs, for however long", () => {
    const seen = observe({ build: { state: "building", message: 'Running step "install"' } });
    for (const at of [now, now + 3_600_000]) {
      const building = plan(seen, at);
      expect(dos(building)).toEqual(["setTraffic"]);
      expect(condition(building, "Ready")).toEqual(["False", "Building", 'Running step "install"']);
      expect(condition(building, "BuildComplete")).toEqual(["Unknown", "Building", 'Running step "install"']);
      expect(building.status).toMatchObject({ desiredReplicas: 0, actualReplicas: 0 });
      expect(building.requeueAfterMs).toBeUndefined();
    }
  });

  it("runs the digest that it reports, and has its source", () => {
    const built = plan(
      observe({ build: { state: "complete", imageDigest, imageSource }, image: { state: "resolved", exact: digest } }),
    );
    expect(dos(built)).toEqual(["setTraffic"]);
    expect(built.status).toMatchObject({ imageDigest, imageSource, desiredReplicas: 1 });
    expect(condition(built, "BuildComplete")).toEqual(["True"]);
    expect(condition(built, "Ready")).toEqual(["False", "Deploying", "Starting Instances"]);
    const revision = { ...made, status: built.status ?? {} };
    const started = plan(observe({ revision, build: { state: "complete", imageDigest } }));
    expect(started.actions[1]).toMatchObject({ do: "scale", spec: { image: imageDigest } });
    expect(started.status?.desiredReplicas).toBe(1);
    expect(started.status?.imageSource).toEqual(imageSource);
  });

  it("gives instances their time from its end on", () => {
    const waiting = plan(observe({ build: { state: "building" } }));
    const later = now + 3_600_000;
    const built = planRevision(
      observe({ revision: { ...made, status: waiting.status ?? {} }, build: { state: "complete", imageDigest } }),
      later,
    );
    const revision = { ...made, status: built.status ?? {} };
    const seen = observe({ revision, build: { state: "complete", imageDigest }, workload: workload("starting") });
    expect(condition(plan(seen, later + 60_000), "Ready")).toEqual(["False", "Deploying", "Starting Instances"]);
    expect(planRevision(seen, later + 60_000).requeueAfterMs).toBe(60_000);
    expect(condition(planRevision(seen, later + 120_000), "Ready")[1]).toBe("ProgressDeadlineExceeded");
  });

  it("fails with it, in its words", () => {
    const failed = plan(observe({ build: failure }));
    expect(condition(failed, "Ready")).toEqual(["False", "BuildFailed", failure.message]);
    expect(condition(failed, "BuildComplete")).toEqual(["False", failure.reason, failure.message]);
    expect(failed.events).toEqual([{ type: "Warning", reason: "BuildFailed", message: failure.message }]);
    expect(dos(failed)).toEqual(["setTraffic"]);
    expect(failed.actions[0]).toMatchObject({
      traffic: { problem: { reason: "BuildFailed", message: failure.message } },
    });
  });

  it("goes on where a Build of that name succeeds after all", () => {
    const status = plan(observe({ build: failure })).status ?? {};
    const mended = plan(observe({ revision: { ...made, status }, build: { state: "complete", imageDigest } }));
    expect(condition(mended, "BuildComplete")).toEqual(["True"]);
    expect(mended.status?.imageDigest).toBe(imageDigest);
  });
});
