import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { silentLog } from "../../lib/log.ts";
import type { InstancePhase } from "../workloads.ts";
import type { Cgroups } from "./cgroup.ts";
import { defaultLimits } from "./limits.ts";
import { createPermits, stopOverBudget } from "./standby.ts";

test("createPermits() takes from who got it first, and a permit that is given again is a new one", () => {
  const permits = createPermits(2);
  expect([permits.give("a"), permits.give("b"), permits.give("a"), permits.give("c")]).toEqual([
    undefined,
    undefined,
    undefined,
    "b",
  ]);
  expect(["a", "b", "c"].map((name) => permits.has(name))).toEqual([true, false, true]);
  permits.take("a");
  expect([permits.has("a"), permits.give("d")]).toEqual([false, undefined]);
});

test("stopOverBudget() stops those that are frozen for the longest", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-groups-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const cgroups: Cgroups = { version: 2, swapLimit: true, path: (_, group) => join(dir, group), all: () => [] };
  const stopped: string[] = [];
  const instance = async (id: string, frozenAt: number, bytes: number, phase: InstancePhase = "frozen") => {
    await mkdir(join(dir, "parent", id), { recursive: true });
    await writeFile(join(dir, "parent", id, "memory.current"), `${bytes}\n`);
    return { id, phase, record: { frozenAt }, stop: () => stopped.push(id) };
  };
  const all = [
    await instance("old", 1, 10),
    await instance("new", 9, 60),
    await instance("runs", 0, 500, "ready"),
    await instance("large", 5, 50),
    await instance("gone", 7, 0),
  ];
  const limits = { ...defaultLimits(), frozenBytes: 100 };
  await stopOverBudget({ cgroups, limits, log: silentLog, parentGroup: "parent" }, all);
  expect(stopped).toEqual(["large", "old"]);
});
