import { describe, expect, test } from "vitest";
import { validateSchema } from "../../api/meta/schema-validation.ts";
import { objectSchema } from "../../api/meta/object-schema.ts";
import { Pod } from "../../api/pod.ts";
import type { BuildState } from "../../runtime/builds.ts";
import { buildPodOf } from "./build-pods.ts";
import { podView } from "./pods.ts";

const at = Date.UTC(2026, 0, 1);

function state(phase: BuildState["phase"], more: Partial<BuildState> = {}): BuildState {
  return {
    key: { namespace: "team", name: "app-00001" },
    uid: "u1",
    phase,
    createdAt: at,
    steps: [
      { name: "source", phase: "ended", exitCode: 0, startedAt: at, endedAt: at + 1_000, image: "elafros.dev/tools" },
      { name: "compile", phase: "running", startedAt: at + 1_000 },
    ],
    labels: { "build.dev/buildName": "app-00001", team: "blue" },
    ...more,
  };
}

const statusWord = (pod: ReturnType<typeof buildPodOf>) =>
  Pod.columns.find(({ name }) => name === "Status")?.value(pod);

describe("buildPodOf()", () => {
  test("shows a build as a Pod with a container for each step", () => {
    const pod = buildPodOf(state("running", { startedAt: at }));
    expect(pod.metadata).toMatchObject({
      name: "app-00001-build",
      namespace: "team",
      labels: { "build.dev/buildName": "app-00001", team: "blue" },
    });
    expect(pod.spec?.containers.map(({ name }) => name)).toEqual(["source", "compile"]);
    expect(pod.status).toMatchObject({
      phase: "Running",
      containerStatuses: [
        { name: "source", image: "elafros.dev/tools", state: { terminated: { exitCode: 0, reason: "Completed" } } },
        { name: "compile", started: true, state: { running: { startedAt: "2026-01-01T00:00:01Z" } } },
      ],
    });
    expect(validateSchema(objectSchema(Pod), pod)).toEqual([]);
  });

  test("says how far it is, as Kubernetes does of a Pod that runs to its end", () => {
    const failure = { reason: "BuildTimeout", message: "It took too long" } as const;
    const shown = (phase: BuildState["phase"], more: Partial<BuildState> = {}) => {
      const pod = buildPodOf(state(phase, more));
      return [pod.status?.phase, statusWord(pod), pod.status?.message];
    };
    expect(shown("queued")).toEqual(["Pending", "Pending", undefined]);
    expect(shown("running")).toEqual(["Running", "Running", undefined]);
    expect(shown("succeeded")).toEqual(["Succeeded", "Completed", undefined]);
    expect(shown("failed", { failure })).toEqual(["Failed", "BuildTimeout", "It took too long"]);
  });

  test("has the uid of this build, not of another under its name", () => {
    const uid = (more: Partial<BuildState> = {}) => buildPodOf(state("running", more)).metadata.uid;
    expect(uid()).toBe(uid({ phase: "succeeded" }));
    expect(uid()).not.toBe(uid({ uid: "u2" }));
  });
});

test("podView() shows instances and builds, and tells of changes of both", () => {
  const told: string[] = [];
  const listeners: (() => void)[] = [];
  const subscribe = (listener: (key: { namespace: string; name: string }) => void) => {
    const call = () => listener({ namespace: "team", name: "app" });
    listeners.push(call);
    return () => void listeners.splice(listeners.indexOf(call), 1);
  };
  const instance = {
    id: "app-00001-abcdefgh",
    phase: "ready",
    image: "a",
    labels: {},
    createdAt: at,
    restarts: 0,
  } as const;
  const view = podView({
    list: () => [{ key: { namespace: "team", name: "app-00001" }, desired: 1, instances: [instance] }],
    subscribe,
    builds: { list: () => [state("running")], subscribe },
  });
  expect(view.list().map(({ metadata }) => metadata.name)).toEqual(["app-00001-abcdefgh", "app-00001-build"]);
  const end = view.subscribe(() => told.push("changed"));
  for (const listener of listeners) listener();
  expect(told).toHaveLength(2);
  end();
  expect(listeners).toEqual([]);
});

test("podView() makes the Pod of a finished build once, and forgets it with the build", () => {
  const states = [state("running"), state("succeeded", { uid: "u2" })];
  const view = podView({
    list: () => [],
    subscribe: () => () => {},
    builds: { list: () => states, subscribe: () => () => {} },
  });
  const [running, finished] = view.list();
  const again = view.list();
  expect(again[0]).not.toBe(running);
  expect(again[1]).toBe(finished);
  const [gone] = states.splice(1);
  view.list();
  if (gone !== undefined) states.push(gone);
  expect(view.list()[1]).not.toBe(finished);
});
