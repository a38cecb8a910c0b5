import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { plainStep } from "../../../test/support/build-spec.ts";
import type { BuildSpec } from "../builds.ts";
import {
  buildPaths,
  type BuildPlaces,
  type BuildRecord,
  buildState,
  newBuild,
  readRecord,
  readState,
  saveRecord,
  saveState,
  storedBuild,
} from "./build-record.ts";

const spec: BuildSpec = {
  uid: "u",
  source: { type: "archive", location: "https://example.com/a.zip" },
  steps: [plainStep("one"), plainStep("two")],
  baseImages: [],
  registryAuths: [{ registry: "r", username: "u", password: "secret" }],
  gitCredentials: [],
  timeoutMs: 1,
  labels: { a: "b" },
};
const key = { namespace: "n", name: "b" };
const record = (): BuildRecord => ({ ...newBuild("b-1", { key, spec }, 5), spec, bootId: "boot", attempt: 0 });

let places: BuildPlaces;
beforeEach(async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-record-"));
  places = { disk: join(dir, "disk"), memory: join(dir, "memory") };
  for (const path of [buildPaths(places, "b-1").disk, buildPaths(places, "b-1").base]) {
    await mkdir(path, { recursive: true });
  }
});
afterEach(() => rm(join(places.disk, ".."), { recursive: true }));

test("newBuild() has a step for the source, where there is one", () => {
  expect(newBuild("b-1", { key, spec }, 5).steps.map(({ name }) => name)).toEqual(["source", "one", "two"]);
  const { source: _source, ...without } = spec;
  expect(newBuild("b-1", { key, spec: without }, 5).steps.map(({ name }) => name)).toEqual(["one", "two"]);
});

test("saveState() keeps no secret and nothing that is only the driver's; saveRecord() keeps all for root alone", async () => {
  const whole: BuildRecord = { ...record(), attempt: 3, removed: false };
  await saveState(places, whole);
  await saveRecord(places, whole);
  const { state, record: file } = buildPaths(places, "b-1");
  expect(JSON.parse(await readFile(state, "utf8"))).toEqual(storedBuild(whole));
  expect(await readFile(state, "utf8")).not.toMatch(/secret|boot|attempt|removed/);
  expect(await readState(places, "b-1")).toEqual(storedBuild(whole));
  expect(await readRecord(places, "b-1")).toEqual(whole);
  for (const path of [state, file]) expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test.each(["", "{", "null", '{"version":2,"id":"b-1"}', '{"version":1,"id":"other"}'])(
  "readState() takes %j for none",
  async (text) => {
    await writeFile(buildPaths(places, "b-1").state, text);
    expect(await readState(places, "b-1")).toBeUndefined();
  },
);

test.each([
  [{}, "queued"],
  [{ startedAt: 6 }, "running"],
  [{ startedAt: 6, endedAt: 7 }, "succeeded"],
  [{ startedAt: 6, endedAt: 7, failure: { reason: "BuildTimeout", message: "m" } as const }, "failed"],
  [{ endedAt: 7, failure: { reason: "BuildCancelled", message: "m" } as const }, "failed"],
])("buildState() of %j is %s", (more, phase) => {
  expect(buildState({ ...newBuild("b-1", { key, spec }, 5), ...more })).toMatchObject({
    key,
    uid: "u",
    phase,
    ...more,
  });
});

test("buildState() tells an end's words once it has ended, and steps without their containers' numbers", () => {
  const build = newBuild("b-1", { key, spec }, 5);
  const [source, ...others] = build.steps;
  const failing = { ...build, failure: { reason: "BuildTimeout", message: "m" } as const, imageDigest: "x@sha256:1" };
  const state = buildState(
    { ...failing, steps: [{ name: "source", ...source, phase: "running", attempt: 4 }, ...others] },
    "now",
  );
  expect(state).not.toHaveProperty("failure");
  expect(state).not.toHaveProperty("imageDigest");
  expect(state.message).toBe("now");
  expect(state.steps[0]).toEqual({ name: "source", phase: "running" });
});
