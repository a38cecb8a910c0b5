import { describe, expect, it } from "vitest";
import type { Build, BuildStatus } from "../../api/build.ts";
import type { BuildSpec, BuildState } from "../../runtime/builds.ts";
import type { BuildSpecResult } from "./make-build-spec.ts";
import { type BuildObserved, planBuild } from "./plan.ts";

const now = Date.UTC(2026, 0, 1);
const week = 7 * 24 * 3_600_000;
const spec = { uid: "u1" } as BuildSpec;

function build(more: { spec?: Build["spec"]; status?: BuildStatus; deleted?: boolean } = {}): Build {
  return {
    apiVersion: "build.dev/v1alpha1",
    kind: "Build",
    metadata: {
      name: "app",
      namespace: "ns",
      uid: "u1",
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(more.deleted === true ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: more.spec ?? { steps: [{ image: "a" }] },
    ...(more.status === undefined ? {} : { status: more.status }),
  };
}

function state(phase: BuildState["phase"], more: Partial<BuildState> = {}): BuildState {
  return {
    key: { namespace: "ns", name: "app" },
    uid: "u1",
    phase,
    createdAt: now,
    ...(phase === "queued" ? {} : { startedAt: now + 1_000 }),
    steps: [{ name: "step-1", phase: "waiting" }],
    labels: {},
    ...more,
  };
}

const made: BuildSpecResult = { spec, notices: [] };
const observe = (seen: Partial<BuildObserved> = {}): BuildObserved => ({
  build: build(),
  state: undefined,
  makeSpec: () => made,
  isAwaited: false,
  retentionMs: week,
  logsLink: "/logs",
  ...seen,
});

/** Plans, and plans again with the status that was written: that must do and tell nothing new. */
function plan(seen: BuildObserved, at = now) {
  const first = planBuild(seen, at);
  const status = first.status ?? seen.build.status;
  const started = first.actions.some((action) => action.do === "start");
  const again = planBuild(
    {
      ...seen,
      build: { ...seen.build, ...(status === undefined ? {} : { status }) },
      state: started ? state("queued") : seen.state,
    },
    at + 500,
  );
  expect(again.status?.conditions ?? status?.conditions).toEqual(status?.conditions);
  expect(again.actions.filter((action) => action.do === "start")).toEqual([]);
  expect(again.events.filter(({ once }) => once !== true)).toEqual([]);
  return first;
}

const condition = (planned: ReturnType<typeof planBuild>) => {
  const { status, reason, message } = planned.status?.conditions?.find(({ type }) => type === "Succeeded") ?? {};
  return [status, reason, message].filter((part) => part !== undefined);
};
const told = (planned: ReturnType<typeof planBuild>) =>
  planned.events.map(({ reason, message }) => `${reason}: ${message}`);

describe("planBuild() starts a Build", () => {
  it("once, and tells the template's notices", () => {
    const first = plan(observe({ makeSpec: () => ({ spec, notices: ["Old"] }) }));
    expect(first.actions).toEqual([{ do: "start", spec }]);
    expect(condition(first)).toEqual(["Unknown", "Building"]);
    expect(told(first)).toEqual(["Notice: Old"]);
  });

  it("again where the port knows nothing of it, or only of another of that name", () => {
    const status = plan(observe({ state: state("running") })).status ?? {};
    for (const known of [undefined, state("succeeded", { uid: "u0" })]) {
      expect(planBuild(observe({ build: build({ status }), state: known }), now).actions).toEqual([
        { do: "start", spec },
      ]);
    }
  });

  it("again where the port knows it from before and nothing of it runs", () => {
    const status = plan(observe({ state: state("running") })).status ?? {};
    const seen = observe({ build: build({ status }), state: state("suspended") });
    expect(planBuild(seen, now).actions).toEqual([{ do: "start", spec }]);
  });

  it("waits for what it refers to, 10 s from its creation, then fails", () => {
    const seen = observe({ makeSpec: () => ({ missing: "TemplateMissing: there is none" }) });
    const first = plan(seen, now + 3_000);
    expect(first.requeueAfterMs).toBe(7_000);
    expect(condition(first)).toEqual(["Unknown", "Building", "TemplateMissing: there is none"]);
    const late = plan(seen, now + 10_000);
    expect(condition(late)).toEqual(["False", "BuildValidationFailed", "TemplateMissing: there is none"]);
    expect(late.status?.completionTime).toBe("2026-01-01T00:00:10Z");
    expect(told(late)).toEqual(["BuildValidationFailed: TemplateMissing: there is none"]);
  });

  it("fails at once where it can't run as it is", () => {
    const planned = plan(observe({ makeSpec: () => ({ fault: "UnsatisfiedParameter: x" }) }));
    expect(planned.actions).toEqual([]);
    expect(condition(planned)).toEqual(["False", "BuildValidationFailed", "UnsatisfiedParameter: x"]);
  });
});

describe("planBuild() says how it goes", () => {
  it("while it waits its turn", () => {
    const waits = plan(observe({ state: state("queued", { message: "Waiting for 2 builds before it" }) }));
    expect(condition(waits)).toEqual(["Unknown", "Building", "Waiting for 2 builds before it"]);
    expect(told(waits)).toEqual(["Queued: Waiting for 2 builds before it"]);
    expect(waits.status?.startTime).toBeUndefined();
    const next = planBuild(
      observe({
        build: build({ status: waits.status ?? {} }),
        state: state("queued", { message: "Waiting for 1 build before it" }),
      }),
      now,
    );
    expect([condition(next)[2], next.events]).toEqual(["Waiting for 1 build before it", []]);
  });

  it("step by step", () => {
    const running = plan(
      observe({
        state: state("running", {
          steps: [
            {
              name: "source",
              phase: "ended",
              exitCode: 0,
              startedAt: now,
              endedAt: now + 1_000,
              image: "elafros.dev/tools",
            },
            { name: "install", phase: "running", startedAt: now + 1_000 },
            { name: "build", phase: "waiting" },
          ],
          source: { repository: "https://git.example/app", context: "abc" },
        }),
      }),
    );
    expect(running.status).toMatchObject({
      startTime: "2026-01-01T00:00:01Z",
      stepsCompleted: ["source"],
      source: { repository: "https://git.example/app", context: "abc" },
      buildLogsLink: "/logs",
      observedGeneration: 1,
      stepStates: [
        {
          name: "source",
          imageID: "elafros.dev/tools",
          state: {
            terminated: {
              exitCode: 0,
              reason: "Completed",
              startedAt: "2026-01-01T00:00:00Z",
              finishedAt: "2026-01-01T00:00:01Z",
            },
          },
        },
        { name: "install", state: { running: { startedAt: "2026-01-01T00:00:01Z" } } },
        { name: "build", state: { waiting: { reason: "PodInitializing" } } },
      ],
    });
    expect(condition(running)).toEqual(["Unknown", "Building", 'Running step "install"']);
    expect(told(running)).toEqual(["Started: Started; the steps are source, install, build"]);
  });

  it("when it succeeded", () => {
    const imageDigest = "app@sha256:1";
    const steps = [{ name: "step-1", phase: "ended", exitCode: 0 } as const];
    const done = plan(observe({ state: state("succeeded", { imageDigest, steps, endedAt: now + 5_000 }) }));
    expect(condition(done)).toEqual(["True"]);
    expect(done.status).toMatchObject({
      imageDigest,
      completionTime: "2026-01-01T00:00:05Z",
      stepsCompleted: ["step-1"],
    });
    expect(told(done)).toContain('Succeeded: Made image "app@sha256:1"');
  });

  it("when it failed, in the port's words", () => {
    const failure = { reason: "BuildStepFailed", message: 'Step "install" failed with error message: boom' } as const;
    const steps = [{ name: "install", phase: "ended", exitCode: 137, oomKilled: true, message: "boom" } as const];
    const failed = plan(observe({ state: state("failed", { failure, steps, endedAt: now + 5_000 }) }));
    expect(condition(failed)).toEqual(["False", failure.reason, failure.message]);
    expect(failed.status?.stepStates?.[0]?.state?.terminated).toMatchObject({
      exitCode: 137,
      reason: "OOMKilled",
      message: "boom",
    });
    expect(failed.status?.stepsCompleted).toEqual([]);
    expect(told(failed)).toContain(`BuildStepFailed: ${failure.message}`);
  });
});

describe("planBuild() ends a Build", () => {
  const cancelled = { steps: [{ image: "a" }], status: "BuildCancelled" } as const;

  it.each(["running", "queued", "suspended"] as const)("that is cancelled while it is %s, by the port", (phase) => {
    const planned = planBuild(
      observe({ build: build({ spec: { ...cancelled, steps: [...cancelled.steps] } }), state: state(phase) }),
      now,
    );
    expect(planned.actions).toEqual([{ do: "cancel" }]);
    expect(condition(planned).slice(0, 2)).toEqual(["Unknown", "Building"]);
  });

  it("that is cancelled before it started, without starting it", () => {
    const planned = plan(observe({ build: build({ spec: { ...cancelled, steps: [...cancelled.steps] } }) }));
    expect(planned.actions).toEqual([]);
    expect(condition(planned)).toEqual(["False", "BuildCancelled", "It was cancelled before it started"]);
  });

  it("that had ended before it was cancelled as it ended", () => {
    const planned = plan(
      observe({
        build: build({ spec: { ...cancelled, steps: [...cancelled.steps] } }),
        state: state("succeeded", { imageDigest: "a@sha256:1", endedAt: now }),
      }),
    );
    expect(planned.actions).toEqual([]);
    expect(condition(planned)).toEqual(["True"]);
  });

  it("that runs although its status says it has ended", () => {
    const status = plan(observe({ makeSpec: () => ({ fault: "x" }) })).status ?? {};
    expect(planBuild(observe({ build: build({ status }), state: state("running") }), now).actions).toEqual([
      { do: "cancel" },
    ]);
  });

  it("leaves one alone that is being deleted", () => {
    expect(planBuild(observe({ build: build({ deleted: true }) }), now)).toEqual({ actions: [], events: [] });
  });
});

describe("planBuild() keeps a finished Build", () => {
  const status =
    planBuild(observe({ state: state("succeeded", { imageDigest: "a@sha256:1", endedAt: now }) }), now).status ?? {};
  const finished = build({ status });

  it("until its time is over, then deletes it", () => {
    expect(planBuild(observe({ build: finished }), now + week - 1_000)).toEqual({
      actions: [],
      events: [],
      requeueAfterMs: 1_000,
    });
    expect(planBuild(observe({ build: finished }), now).requeueAfterMs).toBe(24 * 3_600_000);
    expect(planBuild(observe({ build: finished }), now + week).actions).toEqual([
      { do: "deleteBuild", build: finished },
    ]);
  });

  it("longer where a Revision waits to learn what it made", () => {
    expect(planBuild(observe({ build: finished, isAwaited: true }), now + week)).toEqual({ actions: [], events: [] });
  });
});
