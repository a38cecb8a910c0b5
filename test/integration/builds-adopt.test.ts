/** Builds outlive whoever started them: what the next driver finds. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { BuildKey, BuildState } from "../../src/runtime/builds.ts";
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
import { startRegistry, type TestRegistry } from "../support/registry.ts";

let bed: BuildBed;
let registry: TestRegistry;
beforeAll(async () => {
  [bed, registry] = await Promise.all([buildBed({ limits: { builds: 2 } }), startRegistry()]);
});
afterEach(() => untilTidy(bed.dir));
afterAll(async () => {
  await Promise.all([bed.close(), registry.close()]);
});

let made = 0;
const newKey = () => ({ namespace: "default", name: `adopt-${++made}` });
const job = async (key: BuildKey) => {
  const name = (await readdir(join(bed.dir, "builds/jobs"))).find((each) => each.startsWith(`${key.name}-`)) ?? "";
  return { memory: join(bed.dir, "run/mem/b", name), disk: join(bed.dir, "builds/jobs", name) };
};
const running = (key: BuildKey, step: number) =>
  buildUntil(bed.driver, key, ({ steps }) => steps[step]?.phase === "running");
/** Notes in what outlives the build that a step has run. */
const note = (name: string) => `echo ${name} >> /builder/cache/ran`;
const block = "until [ -e /workspace/go ]; do sleep 0.05; done";
const ran = async (key: BuildKey, cache: string) => {
  bed.driver.builds.remove(key);
  const look = newKey();
  bed.driver.builds.start(look, buildSpec([shellStep("look", "cat /builder/cache/ran")], { cache }));
  await buildEnd(bed.driver, look);
  return (await buildLog(bed.driver, look, "look")).trim().split("\n");
};

test("a running step goes on under the next driver, with its log, and the steps after it", async () => {
  const key = newKey();
  const steps = [
    shellStep("a", note("a")),
    shellStep("b", `echo one; ${block}; echo two; ${note("b")}`),
    shellStep("c", note("c")),
  ];
  bed.driver.builds.start(key, buildSpec(steps, { cache: key.name }));
  const before = await running(key, 1);
  await bed.restart();
  expect(bed.driver.builds.get(key)).toEqual(before);
  const { signal } = new AbortController();
  const lines: string[] = [];
  for await (const line of bed.driver.builds.logs(key, "b", {
    follow: true,
    timestamps: false,
    previous: false,
    signal,
  })) {
    lines.push(line);
    if (line === "one\n") await writeFile(join((await job(key)).disk, "workspace/go"), "");
  }
  expect(lines).toEqual(["one\n", "two\n"]);
  expect(await buildEnd(bed.driver, key)).toMatchObject({ phase: "succeeded", startedAt: before.startedAt });
  expect(await ran(key, key.name)).toEqual(["a", "b", "c"]);
});

test("a step that ended while no driver ran has ended once", async () => {
  const key = newKey();
  bed.driver.builds.start(
    key,
    buildSpec([shellStep("a", `${block}; ${note("a")}`), shellStep("b", note("b"))], { cache: key.name }),
  );
  await running(key, 0);
  const { disk, memory } = await job(key);
  await bed.restart({
    before: async () => {
      await writeFile(join(disk, "workspace/go"), "");
      await expect.poll(() => readdir(join(bed.dir, "run/mem/exits"))).toHaveLength(1);
      expect(await readFile(join(memory, "build.json"), "utf8")).toContain('"running"');
    },
  });
  expect(await buildEnd(bed.driver, key)).toMatchObject({ phase: "succeeded" });
  expect(await ran(key, key.name)).toEqual(["a", "b"]);
});

test("a build that was being cancelled, or is over its time, ends under the next driver", async () => {
  const keys = [newKey(), newKey()];
  for (const [index, key] of keys.entries()) {
    bed.driver.builds.start(
      key,
      buildSpec([shellStep("a", "sleep 100")], { timeoutMs: index === 0 ? 100_000 : 4_000 }),
    );
    await running(key, 0);
  }
  const [first = newKey(), second = newKey()] = keys;
  await bed.restart({ before: () => sleep(3_000) });
  bed.driver.builds.cancel(first);
  expect((await buildEnd(bed.driver, first)).failure?.reason).toBe("BuildCancelled");
  expect((await buildEnd(bed.driver, second)).failure?.reason).toBe("BuildTimeout");
});

test("a step whose monitor was lost has failed: it isn't run twice", async () => {
  const key = newKey();
  bed.driver.builds.start(key, buildSpec([shellStep("a", `${note("a")}; echo noted; sleep 100`)], { cache: key.name }));
  await running(key, 0);
  await expect.poll(() => buildLog(bed.driver, key, "a")).toContain("noted");
  const { memory } = await job(key);
  await bed.restart({
    before: async () => {
      for (const name of ["monitor.pid", "pid"])
        process.kill(Number(await readFile(join(memory, name), "utf8")), "SIGKILL");
      await sleep(200);
    },
  });
  const state = await buildEnd(bed.driver, key);
  expect(state.failure?.message).toBe(
    'Step "a" failed with error message: its monitor was lost, and with it how it ended',
  );
  expect(await ran(key, key.name)).toEqual(["a"]);
});

test("builds in the queue keep their order", async () => {
  const keys = Array.from({ length: 4 }, newKey);
  for (const key of keys) bed.driver.builds.start(key, buildSpec([shellStep("a", block)]));
  await running(keys[1] ?? newKey(), 0);
  await expect.poll(() => readdir(join(bed.dir, "run/mem/b"))).toHaveLength(4);
  await bed.restart();
  const states = keys.map((key) => bed.driver.builds.get(key));
  expect(states.map((state) => state?.phase)).toEqual(["running", "running", "queued", "queued"]);
  expect(states.slice(2).map((state) => state?.message)).toEqual([
    "Waiting for 1 build before it",
    "Waiting for 2 builds before it",
  ]);
  for (const key of keys) bed.driver.builds.cancel(key);
  await Promise.all(keys.map((key) => buildEnd(bed.driver, key)));
});

test.each([
  { what: "after another boot", end: () => bed.restart({ before: forgetBoot }) },
  {
    what: "after the platform was stopped in order",
    end: async () => {
      await bed.driver.stopAll(0);
      expect(await readdir(join(bed.dir, "run/mem"))).toEqual([]);
      await bed.restart();
    },
  },
])("$what an unfinished build begins again once it is declared, and an ended one is as it was", async ({ end }) => {
  const [ended, key] = [newKey(), newKey()];
  bed.driver.builds.start(ended, buildSpec([shellStep("a", "echo done")]));
  const before = await buildEnd(bed.driver, ended);
  const spec = buildSpec([
    shellStep("a", "echo a"),
    shellStep("b", `[ ! -e /workspace/x ]; touch /workspace/x; ${block}`),
  ]);
  bed.driver.builds.start(key, spec);
  await running(key, 1);
  await end();
  expect(bed.driver.builds.get(ended)).toEqual(before);
  expect(await buildLog(bed.driver, ended, "a")).toBe("done\n");
  expect(bed.driver.builds.get(key)).toMatchObject({
    phase: "suspended",
    steps: [{ phase: "waiting" }, { phase: "waiting" }],
  });
  expect(await buildLog(bed.driver, key, "a")).toBe("");
  await untilTidy(bed.dir);
  bed.driver.builds.start(key, spec);
  await running(key, 1);
  await writeFile(join((await job(key)).disk, "workspace/go"), "");
  expect(await buildEnd(bed.driver, key)).toMatchObject({ phase: "succeeded" });
});

test("a build of before another boot ends when it is cancelled, and begins with the steps that are declared then", async () => {
  const [cancelled, changed] = [newKey(), newKey()];
  const spec = buildSpec([shellStep("a", block)]);
  for (const key of [cancelled, changed]) {
    bed.driver.builds.start(key, spec);
    await running(key, 0);
  }
  await bed.restart({ before: forgetBoot });
  const log = (key: BuildKey) => buildLog(bed.driver, key, "a", { follow: true });
  const logs = [log(cancelled), log(changed)];
  bed.driver.builds.cancel(cancelled);
  expect(await buildEnd(bed.driver, cancelled)).toMatchObject({ failure: { reason: "BuildCancelled" } });
  bed.driver.builds.start(changed, { ...spec, steps: [shellStep("a", "echo a"), shellStep("b", "echo b")] });
  const { phase, steps } = await buildEnd(bed.driver, changed);
  expect([phase, ...steps.map(({ name }) => name)]).toEqual(["succeeded", "a", "b"]);
  expect(await Promise.all(logs)).toEqual(["", "a\n"]);
  await bed.restart();
  expect(bed.driver.builds.get(cancelled)).toMatchObject({ phase: "failed" });
});

async function forgetBoot(): Promise<void> {
  for (const name of await readdir(join(bed.dir, "run/mem/b"))) {
    const file = join(bed.dir, "run/mem/b", name, "build.json");
    const record = JSON.parse(await readFile(file, "utf8")) as object;
    await writeFile(file, JSON.stringify({ ...record, bootId: "another" }));
  }
}

test("what no record knows is removed, and a removal that was begun is ended", async () => {
  const key = newKey();
  bed.driver.builds.start(key, buildSpec([shellStep("a", "sleep 100")]));
  await running(key, 0);
  const { disk, memory } = await job(key);
  await bed.restart({
    before: async () => {
      const file = join(memory, "build.json");
      const record = JSON.parse(await readFile(file, "utf8")) as object;
      await writeFile(file, JSON.stringify({ ...record, removed: true }));
      await mkdir(join(bed.dir, "builds/jobs/unknown/workspace"), { recursive: true });
    },
  });
  expect(bed.driver.builds.get(key)).toBeUndefined();
  expect(await readdir(join(bed.dir, "builds/jobs"))).not.toContain("unknown");
  await expect(readdir(disk)).rejects.toThrow("ENOENT");
});

/** Runs builds in a process that is killed after it has told so many changes; says whether all builds had ended. */
async function killedAfter(file: string, { changes, count }: { changes: number; count: number }): Promise<boolean> {
  const program = join(import.meta.dirname, "../support/builds-child.ts");
  const child = spawn(process.execPath, [program, bed.dir, file], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const ended = new Set<string>();
  let told = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const state = JSON.parse(line) as BuildState;
    if (state.endedAt !== undefined) ended.add(state.uid);
    if (++told >= changes || ended.size === count) child.kill("SIGKILL");
  }
  await exited;
  return ended.size === count;
}

test("control killed at any moment: every step runs once, and there is exactly one image of each build", async () => {
  const image = `${registry.host}/team/killed:latest`;
  const dockerfile = "printf 'FROM scratch\\nCOPY f /f\\n' > Dockerfile; date +%N > f";
  const steps = [
    shellStep("a", note("a")),
    shellStep("b", `${note("b")}; sleep 0.3`),
    toolsStep("image", `${note("image")}; ${dockerfile}; buildah bud -t r . && buildah push r oci:/builder/image`),
  ];
  const builds = Array.from({ length: 3 }, () => {
    const key = newKey();
    return { key, spec: buildSpec(steps, { image, cache: key.name, timeoutMs: 600_000 }) };
  });
  const file = join(bed.dir, "declared.json");
  await writeFile(file, JSON.stringify(builds));
  await bed.driver.close();
  let rounds = 0;
  // The first changes are told before anything is done; more each time, so that something is, and that each time ends elsewhere.
  while (!(await killedAfter(file, { changes: 5 + (rounds % 7), count: builds.length }))) rounds++;
  expect(rounds).toBeGreaterThan(3);
  await rm(file);
  await bed.restart();
  for (const { key, spec } of builds) {
    const state = await buildEnd(bed.driver, key);
    expect(state).not.toHaveProperty("failure");
    expect(state).toMatchObject({ uid: spec.uid, phase: "succeeded" });
    expect(await bed.images.root(state.imageDigest ?? "")).toBeDefined();
    expect(await ran(key, key.name)).toEqual(["a", "b", "image"]);
  }
  const revisions = "docker/registry/v2/repositories/team/killed/_manifests/revisions/sha256";
  expect(await readdir(join(registry.directory, revisions))).toHaveLength(builds.length);
}, 300_000);
