import { describe, expect, test } from "vitest";
import { isOurs } from "./install.ts";
import type { Stored } from "./kinds.ts";
import { refusal } from "./uninstall.ts";
import { type State, definitionState, goneState, rolloutState } from "./wait.ts";

function stored(status: Stored["status"], more: Partial<Stored> = {}): Stored {
  return { apiVersion: "v1", kind: "Thing", metadata: { name: "a", generation: 2 }, status: status ?? {}, ...more };
}

const running = { observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };
const two = { spec: { replicas: 2 } };

describe("rolloutState()", () => {
  test.each<[string, Stored | undefined, State]>([
    ["a Deployment that runs", stored(running, two), "there"],
    ["one that was deleted", undefined, { failed: "it was deleted meanwhile" }],
    [
      "one whose change nobody has seen",
      stored({ ...running, observedGeneration: 1 }, two),
      { waiting: "the cluster's controllers haven't looked at it yet" },
    ],
    [
      "one that nobody has ever seen",
      stored({}, two),
      { waiting: "the cluster's controllers haven't looked at it yet" },
    ],
    ["new Pods to be made", stored({ ...running, updatedReplicas: 1 }, two), { waiting: "1 of 2 new Pods are made" }],
    ["old Pods to end", stored({ ...running, replicas: 3 }, two), { waiting: "1 old Pods are still to end" }],
    ["Pods to be ready", stored({ ...running, availableReplicas: 0 }, two), { waiting: "0 of 2 Pods are ready" }],
    [
      "Pods that can't be made",
      stored(
        { observedGeneration: 2, conditions: [{ type: "ReplicaFailure", status: "True", message: "quota exceeded" }] },
        two,
      ),
      { failed: "its Pods can't be made: quota exceeded" },
    ],
    [
      "Pods that never were ready",
      stored(
        {
          ...running,
          availableReplicas: 1,
          conditions: [
            { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "has timed out" },
          ],
        },
        two,
      ),
      { failed: "has timed out" },
    ],
    ["none wanted", stored({ observedGeneration: 2 }, { spec: { replicas: 0 } }), "there"],
  ])("tells %s", (_, object, expected) => {
    expect(rolloutState(object)).toEqual(expected);
  });
});

describe("definitionState()", () => {
  const condition = (type: string, status: string, message?: string) => ({
    type,
    status,
    ...(message === undefined ? {} : { message }),
  });
  test.each<[string, Stored | undefined, State]>([
    ["a served one", stored({ conditions: [condition("Established", "True")] }), "there"],
    ["a new one", stored({}), { waiting: "the API server doesn't serve it yet" }],
    ["one of which nothing is known", undefined, { waiting: "the API server doesn't serve it yet" }],
    [
      "one whose names are taken",
      stored({ conditions: [condition("Established", "False"), condition("NamesAccepted", "False", '"rt" is taken')] }),
      { failed: 'its names are taken: "rt" is taken' },
    ],
  ])("tells %s", (_, object, expected) => {
    expect(definitionState(object)).toEqual(expected);
  });
});

test("goneState() says what keeps an object", () => {
  expect(goneState(undefined, "1")).toBe("there");
  const one = { name: "a", uid: "1" };
  expect(goneState(stored({}, { metadata: one }), "1")).toEqual({ waiting: "it is being deleted" });
  expect(goneState(stored({}, { metadata: one }), "2")).toBe("there");
  const held = stored({}, { metadata: { ...one, finalizers: ["a.example/b"] } });
  expect(goneState(held, "1")).toEqual({ waiting: "a.example/b keep it" });
});

test("only what has the installation's label is ours", () => {
  expect(isOurs({ metadata: { name: "a", labels: { "app.kubernetes.io/part-of": "elafros", more: "x" } } })).toBe(true);
  expect(isOurs({ metadata: { name: "a", labels: { "app.kubernetes.io/part-of": "other" } } })).toBe(false);
  expect(isOurs({ metadata: { name: "elafros-system" } })).toBe(false);
});

test("refusal() names services, and the flag", () => {
  expect(refusal(["default/app"])).toBe(
    "Cannot uninstall: 1 service is there (default/app), and uninstalling deletes them: delete them first, or say --delete-services",
  );
  const seven = Array.from({ length: 7 }, (_, i) => `a/${i}`);
  expect(refusal(seven)).toContain("7 services are there (a/0, a/1, a/2, a/3, a/4 and 2 more)");
});
