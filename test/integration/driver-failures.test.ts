import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type DriverBed,
  driverBed,
  eventually,
  instanceSpec,
  logOf,
  shellSpec,
  untilReady,
} from "../support/driver.ts";

let bed: DriverBed;
let last = 0;
const newKey = () => ({ namespace: "default", name: `bad-${String(++last).padStart(5, "0")}` });
beforeAll(async () => {
  bed = await driverBed({ limits: { readinessProblemMs: 300, memoryBytes: 2 ** 30, cpuMilli: 2_000 } });
});
afterAll(() => bed.close());

test("a process that ends is started again with growing delays, and its last line is kept", async () => {
  const key = newKey();
  bed.driver.scale(key, shellSpec("exec >&2; echo first; echo 'no such table: users'; echo; exit 3"), 1);
  const { problem, instances } = await eventually(bed.driver, key, (state) => (state.instances[0]?.restarts ?? 0) >= 2);
  expect(problem).toMatchObject({ reason: "ExitCode", code: 3, message: "no such table: users" });
  expect(instances[0]).toMatchObject({
    phase: "waiting",
    restarts: 2,
    lastExit: { code: 3, oomKilled: false, message: "no such table: users" },
  });
  expect((instances[0]?.nextStartAt ?? 0) - (instances[0]?.lastExit?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
  expect(await logOf(bed.driver, instances[0]?.id ?? "")).toBe("first\nno such table: users\n\n");
  expect(await logOf(bed.driver, instances[0]?.id ?? "", true)).toBe("first\nno such table: users\n\n");
  bed.driver.remove(key);
});

test("a termination message wins over the last line, and no link leads out of it", async () => {
  const key = newKey();
  bed.driver.scale(
    key,
    shellSpec("echo noise; echo because > /tmp/why; exit 1", { terminationMessagePath: "/tmp/why" }),
    1,
  );
  const { problem } = await eventually(bed.driver, key, (state) => state.problem !== undefined);
  expect(problem).toMatchObject({ code: 1, message: "because" });
  bed.driver.remove(key);

  const hostile = newKey();
  const script = "rm -f /tmp/why; ln -sf /etc/shadow /tmp/why; echo mine; exit 1";
  bed.driver.scale(hostile, shellSpec(script, { terminationMessagePath: "/tmp/why" }), 1);
  const state = await eventually(bed.driver, hostile, ({ problem }) => problem !== undefined);
  expect(state.problem?.message).toMatch(/mine|ln: /);
  bed.driver.remove(hostile);
});

test.each([
  { what: "a command that isn't there", command: ["/no/such/command"], code: 127 },
  { what: "a command not on PATH", command: ["no-such-command"], code: 127 },
  { what: "a file that can't be executed", command: ["/etc/passwd"], code: 126 },
])("$what is exit code $code", async ({ command, code }) => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec({ command }), 1);
  const { problem, instances } = await eventually(bed.driver, key, (state) => state.problem !== undefined);
  expect(problem).toMatchObject({ reason: "ExitCode", code });
  expect(problem?.message).toContain(command[0]);
  expect(instances[0]?.lastExit?.code).toBe(code);
  bed.driver.remove(key);
});

test("an image that can't be had is ContainerMissing in the registry's words", async () => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec({ image: "nothing" }), 1);
  const { problem, instances } = await eventually(bed.driver, key, (state) => state.problem !== undefined);
  expect(problem).toMatchObject({ reason: "ContainerMissing", message: "manifest unknown: nothing" });
  expect(instances[0]?.phase).toBe("waiting");
  bed.driver.remove(key);
});

test("too much memory is OOMKilled", async () => {
  const key = newKey();
  const script = "echo filling; head -c 200000000 /dev/zero | tail -c 199999999 | wc -c & wait $!; sleep 0.2; exit 137";
  bed.driver.scale(key, shellSpec(script, { resources: { memoryBytes: 24 << 20 } }), 1);
  const { problem, instances } = await eventually(bed.driver, key, (state) => state.problem !== undefined);
  const message = expect.stringMatching(/^Container was killed: it used more than its \d+ MiB of memory$/) as string;
  expect(problem).toMatchObject({ reason: "OOMKilled", code: 137, message });
  expect(instances[0]?.lastExit?.oomKilled).toBe(true);
  bed.driver.remove(key);
});

test.each([
  { resources: { memoryBytes: 2 ** 31 }, words: "Asked for 2 GiB of memory" },
  { resources: { cpuMilli: 2_001 }, words: "Asked for 2001m of cpu, this machine has 2000m" },
])("asking for more than there is is InsufficientResources: $words", async ({ resources, words }) => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec({ resources }), 1);
  const { problem } = await eventually(bed.driver, key, (state) => state.problem !== undefined);
  expect(problem).toMatchObject({ reason: "InsufficientResources", message: expect.stringContaining(words) });
  bed.driver.remove(key);
});

test("one that never listens is ReadinessProbeFailed with the probe's words, and goes on trying", async () => {
  const key = newKey();
  const readiness = { ...instanceSpec().readiness, periodMs: 100, failureThreshold: 1 };
  const told = new Set<string | undefined>();
  const end = bed.driver.subscribe(() => told.add(bed.driver.get(key)?.problem?.reason));
  bed.driver.scale(
    key,
    shellSpec("until test -e /tmp/go; do sleep 0.05; done; httpd -f -p 8080 -h /", { readiness }),
    1,
  );
  const { problem, instances } = await eventually(bed.driver, key, (state) => state.problem !== undefined);
  expect(problem).toMatchObject({ reason: "ReadinessProbeFailed", message: expect.stringContaining("ECONNREFUSED") });
  expect([...told]).toContain("ReadinessProbeFailed");
  end();
  expect(instances[0]).toMatchObject({ phase: "starting", probeFailure: expect.stringContaining("ECONNREFUSED") });
  bed.driver.remove(key);
});

test("a startup probe that fails too often restarts the process", async () => {
  const key = newKey();
  const startup = {
    action: { type: "http" as const, path: "/none", port: 8080, scheme: "http" as const, headers: [] },
    initialDelayMs: 0,
    periodMs: 50,
    timeoutMs: 1_000,
    successThreshold: 1,
    failureThreshold: 2,
  };
  bed.driver.scale(key, shellSpec("httpd -p 8080 -h /; sleep 100", { startup, terminationGraceMs: 50 }), 1);
  const state = await eventually(bed.driver, key, ({ instances }) => (instances[0]?.restarts ?? 0) >= 1);
  expect(state.problem).toMatchObject({
    reason: "ReadinessProbeFailed",
    message: "Startup probe failed: HTTP probe failed with statuscode: 404",
  });
  bed.driver.remove(key);
});

test("a problem is over when an instance is ready", async () => {
  const key = newKey();
  const mounts = [
    { mountPath: "/v", readOnly: false, volume: "v", source: { type: "emptyDir" as const, medium: "" as const } },
  ];
  bed.driver.scale(
    key,
    shellSpec("test -e /v/second && exec httpd -f -p 8080 -h /; touch /v/second; exit 9", { mounts }),
    1,
  );
  await eventually(bed.driver, key, (state) => state.problem?.code === 9);
  const [instance] = await untilReady(bed.driver, key);
  expect(bed.driver.get(key)?.problem).toBeUndefined();
  expect(instance).toMatchObject({ restarts: 1, lastExit: { code: 9 } });
  bed.driver.remove(key);
});
