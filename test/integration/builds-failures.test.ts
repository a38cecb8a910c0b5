/** Builds that fail: what is said of them, and that nothing else is left. */
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { BuildSpec, StepSpec } from "../../src/runtime/builds.ts";
import {
  type BuildBed,
  buildBed,
  buildEnd,
  buildLog,
  buildSpec,
  buildUntil,
  shellStep,
  toolsStep,
  untilTidy,
} from "../support/builds.ts";
import { leftovers } from "../support/driver.ts";

let bed: BuildBed;
beforeAll(async () => {
  bed = await buildBed({ sourceFile: () => Promise.resolve(undefined) });
});
afterEach(() => untilTidy(bed.dir));
afterAll(() => bed.close());

let made = 0;
const newKey = () => ({ namespace: "default", name: `fail-${++made}` });

async function runSteps(steps: StepSpec[], more: Partial<BuildSpec> = {}) {
  const key = newKey();
  bed.driver.builds.start(key, buildSpec(steps, more));
  return { key, state: await buildEnd(bed.driver, key) };
}

test("a failing step ends the build with its last line, and the others don't begin", async () => {
  const { state, key } = await runSteps([
    shellStep("ok", "true"),
    shellStep("install", "echo fetching; echo 'no such package' >&2; exit 3"),
    shellStep("never", "true"),
  ]);
  expect(state).toMatchObject({
    phase: "failed",
    failure: { reason: "BuildStepFailed", message: 'Step "install" failed with error message: no such package' },
    steps: [
      { name: "ok", phase: "ended", exitCode: 0 },
      { name: "install", phase: "ended", exitCode: 3, message: "no such package" },
      { name: "never", phase: "waiting" },
    ],
  });
  expect(await buildLog(bed.driver, key, "install")).toBe("fetching\nno such package\n");
  expect(await buildLog(bed.driver, key, "never")).toBe("");
  const { signal } = new AbortController();
  const options = { follow: true, timestamps: false, previous: false, signal };
  expect(await Array.fromAsync(bed.driver.builds.logs(key, "never", options))).toEqual([]);
});

test("a failing step that says nothing is told by its exit code", async () => {
  const { state } = await runSteps([shellStep("quiet", "exit 7")]);
  expect(state.failure?.message).toBe('Step "quiet" failed with exit code 7');
});

test.each([
  {
    what: "a program that isn't there",
    step: { command: ["/none"] },
    code: 127,
    says: /"\/none"|\/none.*no such file/,
  },
  { what: "a program that can't be run", step: { command: ["/etc/passwd"] }, code: 126, says: /permission denied/i },
  {
    what: "an image that isn't there",
    step: { image: "localhost/none" },
    code: 128,
    says: /not in this machine's image storage/,
  },
  {
    what: "more memory than there is",
    step: { resources: { memoryBytes: 2 ** 50 } },
    code: 128,
    says: /Asked for 1024 TiB of memory/,
  },
])("a step with $what fails and says so", async ({ step, code, says }) => {
  const { state } = await runSteps([shellStep("s", "true", step)]);
  expect(state.steps[0]).toMatchObject({ phase: "ended", exitCode: code });
  expect(state.failure?.reason).toBe("BuildStepFailed");
  expect(state.failure?.message).toMatch(/^Step "s" failed with error message: it cannot be started: /);
  expect(state.failure?.message).toMatch(says);
});

test("a step over its memory is killed and says so", async () => {
  const { state } = await runSteps([
    shellStep("big", "echo start; x=$(head -c 200000000 /dev/zero | tr '\\0' x)", {
      resources: { memoryBytes: 64 << 20 },
    }),
  ]);
  expect(state.steps[0]).toMatchObject({ phase: "ended", oomKilled: true });
  expect(state.failure?.message).toBe(
    'Step "big" failed with error message: it was killed: it used more than its 64 MiB of memory; give it more with resources.limits.memory',
  );
});

test("a build over its time is killed, whatever its processes do", async () => {
  const stubborn = "trap '' TERM INT; (trap '' TERM; while :; do sleep 1; done) & echo on; while :; do sleep 1; done";
  const { state, key } = await runSteps([shellStep("slow", stubborn)], { timeoutMs: 1_500 });
  expect(state.failure).toEqual({
    reason: "BuildTimeout",
    message: 'Build took longer than its timeout of 1.5s: give it more with "timeout"',
  });
  expect(state.steps[0]).toMatchObject({ phase: "ended", exitCode: 137 });
  expect(await buildLog(bed.driver, key, "slow")).toBe("on\n");
  expect((await leftovers(bed.dir)).filter((line) => line.includes(key.name))).toEqual([]);
});

test("cancel() ends a running build at once, and nothing that has ended", async () => {
  const key = newKey();
  bed.driver.builds.start(key, buildSpec([shellStep("s", "echo on; sleep 100"), shellStep("never", "true")]));
  await buildUntil(bed.driver, key, ({ steps }) => steps[0]?.phase === "running");
  bed.driver.builds.cancel(key);
  const state = await buildEnd(bed.driver, key);
  expect(state).toMatchObject({
    phase: "failed",
    failure: { reason: "BuildCancelled", message: "Build was cancelled" },
    steps: [{ phase: "ended", exitCode: 137 }, { phase: "waiting" }],
  });
  bed.driver.builds.cancel(key);
  expect(bed.driver.builds.get(key)).toEqual(state);
});

test.each([
  { image: "made/nothing", says: /which has no registry; leave a layout, or name a registry$/ },
  {
    image: "127.0.0.1:1/made/nothing",
    says: /nor image "127.0.0.1:1\/made\/nothing" in its registry: .*connection refused/,
  },
])("a build of $image whose steps leave no image says so", async ({ image, says }) => {
  const { state } = await runSteps([shellStep("s", "true")], { image });
  expect(state.failure?.reason).toBe("ImageMissing");
  expect(state.failure?.message).toMatch(says);
});

test("a build for no image needs none", async () => {
  const { state } = await runSteps([shellStep("s", "true")]);
  expect(state.phase).toBe("succeeded");
  expect(state).not.toHaveProperty("imageDigest");
});

test("a base image of this machine that isn't there names the way to make it", async () => {
  const { state } = await runSteps([toolsStep("s", "true")], { baseImages: ["localhost/elafros/node:24"] });
  expect(state.failure).toEqual({
    reason: "ImageMissing",
    message:
      'Base image "localhost/elafros/node:24" is not on this machine, the only place of names that start with "localhost/": ' +
      'make it with "elafros templates stand-ins", or name another in ConfigMap "base-images" of namespace "build-templates"',
  });
});

test("an upload that isn't there ends the build before anything runs", async () => {
  const location = `upload:sha256:${"a".repeat(64)}`;
  const { state } = await runSteps([shellStep("s", "true")], { source: { type: "archive", location } });
  expect(state.failure).toEqual({
    reason: "SourceMissing",
    message: `Source "${location}" is not here: upload the archive again, as "elafros deploy --source" does`,
  });
});

test("credentials for something that is no server end the build before anything runs", async () => {
  const { state } = await runSteps([shellStep("s", "true")], {
    gitCredentials: [{ type: "ssh", host: "bad host", privateKey: "k" }],
  });
  expect(state.failure?.message).toContain('Cannot use ssh credentials for "bad host"');
});

test("builds stop where they would leave too little of the disk free, and unused caches go first", async () => {
  const cached = await runSteps([shellStep("s", "echo x > /builder/cache/f")], { cache: "default/old" });
  expect(cached.state.phase).toBe("succeeded");
  await bed.restart({ builds: { limits: { reserveBytes: 2 ** 60 } } });
  const { state } = await runSteps([shellStep("s", "sleep 100")], { cache: "default/new" });
  expect(state.failure?.reason).toBe("BuildStepFailed");
  expect(state.failure?.message).toMatch(
    /^Build was stopped: ".*\/builds" has only .* left, and builds leave 1048576 TiB free; free some on its file system$/,
  );
  await bed.restart();
  const { key } = await runSteps([shellStep("s", "ls /builder/cache")], { cache: "default/old" });
  expect(await buildLog(bed.driver, key, "s")).toBe("");
});

test("no secret of a build is in what is kept of it", async () => {
  const { key } = await runSteps([shellStep("s", "exit 1")], {
    registryAuths: [{ registry: "r.example.com", username: "u", password: "pass-word" }],
    gitCredentials: [{ type: "basic", url: "https://g.example.com", username: "u", password: "pass-word" }],
  });
  await untilTidy(bed.dir);
  const [state, ...others] = bed.driver.builds.list().filter((one) => one.key.name === key.name);
  expect(others).toEqual([]);
  expect(JSON.stringify(state)).not.toContain("pass-word");
  const places = [join(bed.dir, "builds"), join(bed.dir, "run")];
  const { stdout } = spawnSync("grep", ["-rl", "pass-word", ...places], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(await readFile("/proc/self/mountinfo", "utf8")).not.toContain(`${bed.dir}/builds/jobs`);
});
