import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { InstanceState, LogOptions, WorkloadState } from "../../runtime/workloads.ts";
import { podLogs } from "./pod-logs.ts";

const clock = manualClock(1_000_000);
const { signal } = new AbortController();

/** A driver with the instance `app-1` in namespace `one`, which has printed these lines. */
function bench(lines: readonly string[] = ["first\n", "zweite Zeile: ü\n", "third\n"], restarts = 0) {
  const asked: LogOptions[] = [];
  const instance: InstanceState = { id: "app-1", phase: "ready", image: "a", labels: {}, createdAt: 0, restarts };
  const workload: WorkloadState = { key: { namespace: "one", name: "app" }, desired: 1, instances: [instance] };
  const logs = podLogs(
    {
      list: () => [workload],
      async *logs(_, options) {
        asked.push(options);
        yield* lines;
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
