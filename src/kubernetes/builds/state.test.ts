import { describe, expect, test } from "vitest";
import { toolsImage } from "../../runtime/builds.ts";
import type { Pod } from "../kinds/pod.ts";
import { buildOf, buildStateOf } from "./state.ts";

const at = "2026-01-01T00:00:05Z";
const time = Date.parse(at);
const failureOf = (pod: Pod) => buildStateOf(pod, { key: { namespace: "n", name: "app" }, uid: "u" }).failure;

type Status = NonNullable<Pod["status"]>;

/** A build's Pod with a source that is fetched and two steps. */
function pod(status: Status, metadata: Partial<Pod["metadata"]> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "app-build", namespace: "n", creationTimestamp: "2026-01-01T00:00:00Z", ...metadata },
    spec: {
      nodeName: "a",
      activeDeadlineSeconds: 600,
      initContainers: [
        { name: "source", image: "tools", command: ["elafros-fetch"] },
        { name: "one", image: "i", resources: { limits: { memory: "64Mi" } } },
        { name: "two", image: "i" },
      ],
      containers: [{ name: "elafros-image", image: "e" }],
    },
    status,
  };
}

const base = (name: string) => ({ name, ready: false, restartCount: 0, image: "", imageID: "" });
const ended = (name: string, exitCode: number, message = "", reason = exitCode === 0 ? "Completed" : "Error") => ({
  ...base(name),
  state: { terminated: { exitCode, reason, message, startedAt: at, finishedAt: at } },
});
const source = ended("source", 0, '{"repository":"r","context":"c"}');
const failed = (...steps: Status["initContainerStatuses"] & {}) =>
  pod({ phase: "Failed", initContainerStatuses: steps });

describe("buildStateOf() says of a build that failed", () => {
  test.each([
    [
      "a step's last line",
      failed(source, ended("one", 3, "first\nlast\n")),
      'Step "one" failed with error message: last',
    ],
    ["a step's exit code where it said nothing", failed(source, ended("one", 3)), 'Step "one" failed with exit code 3'],
    [
      "that a step used more than its memory",
      failed(source, ended("one", 137, "", "OOMKilled")),
      'Step "one" failed with error message: it was killed: it used more than its 64 MiB of memory; give it more with resources.limits.memory',
    ],
    [
      "that the node had no more memory",
      failed(source, ended("one", 0), ended("two", 137, "", "OOMKilled")),
      'Step "two" failed with error message: it was killed: its node had no more memory for it',
    ],
    [
      "that a step's program isn't there",
      failed(
        source,
        ended(
          "one",
          128,
          'runc create failed: unable to start container process: exec: "x": executable file not found in $PATH: unknown',
          "StartError",
        ),
      ),
      'Step "one" failed with error message: it cannot be started: exec: "x": executable file not found in $PATH',
    ],
    [
      "that its node put it out",
      {
        ...failed(source, ended("one", 137)),
        status: {
          phase: "Failed",
          reason: "Evicted",
          message: "The node was low on resource: memory.",
          initContainerStatuses: [source, ended("one", 137)],
        },
      },
      'Step "one" failed with error message: its Pod was ended by the cluster: Evicted: The node was low on resource: memory.',
    ],
    [
      "that its Pod is being deleted",
      pod(
        {
          phase: "Pending",
          initContainerStatuses: [source, { ...base("one"), state: { running: { startedAt: at } } }],
        },
        { deletionTimestamp: at },
      ),
      'Step "one" failed with error message: its Pod "app-build" was deleted',
    ],
    [
      "that nothing said what became of the image",
      pod({
        phase: "Failed",
        initContainerStatuses: [source, ended("one", 0), ended("two", 0)],
        containerStatuses: [ended("elafros-image", 1, "boom")],
      }),
      "The image can't be taken: boom",
    ],
  ])("%s", (_, object, message) => {
    expect(failureOf(object)?.message).toBe(message);
  });

  test.each([
    ["SourceMissing", failed(ended("source", 1, "git says\nThere is no repository"))],
    ["BuildTimeout", pod({ phase: "Failed", reason: "DeadlineExceeded", initContainerStatuses: [source] })],
    [
      "SourceMissing",
      pod({
        phase: "Failed",
        initContainerStatuses: [ended("source", 0, "?"), ended("one", 0), ended("two", 0)],
        containerStatuses: [ended("elafros-image", 137)],
      }),
    ],
    [
      "PushFailed",
      pod({
        phase: "Failed",
        initContainerStatuses: [source, ended("one", 0), ended("two", 0)],
        containerStatuses: [ended("elafros-image", 1, '{"failure":{"reason":"PushFailed","message":"m"}}')],
      }),
    ],
    [
      "BuildCancelled",
      pod(
        { phase: "Failed", reason: "DeadlineExceeded", initContainerStatuses: [source, ended("one", 137)] },
        {
          annotations: {
            "build.dev/ended": JSON.stringify({ at: time, failure: { reason: "BuildCancelled", message: "m" } }),
          },
        },
      ),
    ],
  ])("%s", (reason, object) => {
    expect(failureOf(object)?.reason).toBe(reason);
  });
});

describe("buildStateOf()", () => {
  test("gives what was taken, whatever was said meanwhile", () => {
    const image = `r.example/app@sha256:${"1".repeat(64)}`;
    const state = buildStateOf(
      pod(
        {
          phase: "Succeeded",
          initContainerStatuses: [
            source,
            { ...ended("one", 0), imageID: "docker-pullable://r/i@sha256:2" },
            ended("two", 0),
          ],
          containerStatuses: [ended("elafros-image", 0, JSON.stringify({ image }))],
        },
        {
          annotations: {
            "build.dev/ended": JSON.stringify({ at: time, failure: { reason: "BuildCancelled", message: "m" } }),
          },
        },
      ),
      { key: { namespace: "n", name: "app" }, uid: "u" },
    );
    expect(state).toMatchObject({
      phase: "succeeded",
      imageDigest: image,
      source: { repository: "r", context: "c" },
      endedAt: time,
    });
    expect(state.steps.map((step) => step.image)).toEqual([toolsImage, "r/i@sha256:2", undefined]);
  });

  test("a step that ran on a node that was lost has ended, nobody knows how", () => {
    const lost = pod({
      phase: "Failed",
      reason: "NodeLost",
      initContainerStatuses: [source, { ...base("one"), state: { running: { startedAt: at } } }],
    });
    const { steps } = buildStateOf(lost, { key: { namespace: "n", name: "app" }, uid: "u" });
    expect(steps[1]).toMatchObject({ phase: "ended", exitCode: 255 });
    expect(steps[2]?.phase).toBe("waiting");
  });
});

test("buildOf() knows a Pod by its label and its owner, and none by its label alone", () => {
  const labels = { "build.dev/buildName": "app" };
  const owner = { apiVersion: "build.dev/v1alpha1", kind: "Build", name: "app", uid: "u", controller: true };
  expect(buildOf(pod({}, { labels, ownerReferences: [owner] }))).toEqual({
    key: { namespace: "n", name: "app" },
    uid: "u",
  });
  expect(buildOf(pod({}, { labels }))).toBeUndefined();
  expect(buildOf(pod({}, { labels, ownerReferences: [{ ...owner, name: "other" }] }))).toBeUndefined();
});
