import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { BuildState } from "../../runtime/builds.ts";
import type { InstanceState, LogOptions, WorkloadState } from "../../runtime/workloads.ts";
import { podLogs } from "./pod-logs.ts";

const clock = manualClock(1_000_000);
const { signal } = new AbortController();

/** A driver with the instance `app-1` in namespace `one`, which has printed these lines. */
function bench(lines: readonly string[] = ["first\n", "zweite Zeile: ü\n", "third\n"], restarts = 0) {
  const asked: LogOptions[] = [];
  const instance: InstanceState = { id: "app-1", phase: "ready", image: "a", labels: {}, createdAt: 0, restarts };
  const workload: WorkloadState = { key: { namespace: "one", name: "app" }, desired: 1, instances: [instance] };
  const build: BuildState = {
    key: { namespace: "one", name: "app-00001" },
    uid: "u",
    phase: "running",
    createdAt: 0,
    steps: [
      { name: "source", phase: "ended", exitCode: 0 },
      { name: "compile", phase: "running" },
    ],
    labels: {},
  };
  const logs = podLogs(
    {
      list: () => [workload],
      async *logs(_, options) {
        asked.push(options);
        yield* lines;
      },
      builds: {
        list: () => [build],
        async *logs(_, step, options) {
          asked.push(options);
          yield `${step} says something\n`;
        },
      },
    },
    clock,
  );
  const read = async (options: Parameters<typeof logs.open>[2] = {}, [namespace, pod] = ["one", "app-1"]) => {
    const parts: Buffer[] = [];
    for await (const part of logs.open(namespace, pod, options, signal)) parts.push(Buffer.from(part));
    return Buffer.concat(parts);
  };
  return { asked, read };
}

test("open() gives the lines, no more bytes than asked", async () => {
  const { read } = bench();
  expect((await read()).toString()).toBe("first\nzweite Zeile: ü\nthird\n");
  expect((await read({ limitBytes: 8 })).toString()).toBe("first\nzw");
  expect((await read({ limitBytes: 6 })).toString()).toBe("first\n");
});

test("open() passes on what is asked for, times as instants", async () => {
  const { asked, read } = bench();
  await read({ tailLines: 3, sinceSeconds: 60, follow: true });
  await read({ sinceTime: "1970-01-01T00:00:05Z", timestamps: true });
  expect(asked).toEqual([
    { follow: true, timestamps: false, previous: false, tailLines: 3, since: 940_000, signal },
    { follow: false, timestamps: true, previous: false, since: 5_000, signal },
  ]);
});

test("open() knows only the namespace's own instances, their one container, and runs that were", async () => {
  const { read } = bench();
  const failures: [Parameters<typeof read>, string, string][] = [
    [[{}, ["two", "app-1"]], "NotFound", 'pods "app-1" not found'],
    [[{}, ["one", "app-2"]], "NotFound", 'pods "app-2" not found'],
    [[{ container: "other" }], "BadRequest", "container other is not valid for pod app-1"],
    [[{ previous: true }], "BadRequest", 'previous terminated container "user-container" in pod "app-1" not found'],
  ];
  for (const [args, reason, message] of failures)
    await expect(read(...args)).rejects.toMatchObject({ reason, message });
  const restarted = bench(["gone\n"], 1);
  expect((await restarted.read({ previous: true, container: "user-container" })).toString()).toBe("gone\n");
});

test("open() gives the output of a build's steps, of one or of all in their order", async () => {
  const { asked, read } = bench();
  const place: [string, string] = ["one", "app-00001-build"];
  expect((await read({ container: "compile", follow: true, tailLines: 20 }, place)).toString()).toBe(
    "compile says something\n",
  );
  expect(asked).toEqual([{ follow: true, timestamps: false, previous: false, tailLines: 20, signal }]);
  expect((await read({}, place)).toString()).toBe("source says something\ncompile says something\n");
  expect((await read({ limitBytes: 25 }, place)).toString()).toBe("source says something\ncom");
});

test("open() knows only the namespace's own builds, and their steps", async () => {
  const { read } = bench();
  const build = "app-00001-build";
  const failures: [Parameters<typeof read>, string, string][] = [
    [[{}, ["two", build]], "NotFound", `pods "${build}" not found`],
    [[{}, ["one", "app-00001"]], "NotFound", 'pods "app-00001" not found'],
    [[{ container: "other" }, ["one", build]], "BadRequest", `container other is not valid for pod ${build}`],
    [
      [{ previous: true, container: "compile" }, ["one", build]],
      "BadRequest",
      `previous terminated container "compile" in pod "${build}" not found`,
    ],
  ];
  for (const [args, reason, message] of failures)
    await expect(read(...args)).rejects.toMatchObject({ reason, message });
});
