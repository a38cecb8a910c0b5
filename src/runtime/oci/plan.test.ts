import { expect, test } from "vitest";
import type { InstancePhase, Standby } from "../workloads.ts";
import { type PlannedInstance, planWorkload, type WorkloadPlan } from "./plan.ts";

let clock = 0;
const one = (id: string, phase: InstancePhase = "ready", more: Partial<PlannedInstance> = {}): PlannedInstance => ({
  id,
  phase,
  hash: "new",
  createdAt: ++clock,
  leaving: phase === "draining" || phase === "stopping",
  resting: phase === "prepared" || phase === "frozen",
  booting: phase === "creating" || phase === "starting",
  ...more,
});
const old = { hash: "old" };

test.each<{ name: string; desired: number; have: PlannedInstance[]; create: number; stop: string[] }>([
  { name: "makes what is missing", desired: 2, have: [one("a")], create: 1, stop: [] },
  { name: "leaves what is right", desired: 2, have: [one("a"), one("b", "starting")], create: 0, stop: [] },
  { name: "stops the youngest", desired: 1, have: [one("a"), one("b"), one("c")], create: 0, stop: ["b", "c"] },
  { name: "keeps the one that works", desired: 1, have: [one("a", "waiting"), one("b")], create: 0, stop: ["a"] },
  { name: "doesn't count those leaving", desired: 1, have: [one("a", "draining")], create: 1, stop: [] },
  { name: "stops all at zero", desired: 0, have: [one("a"), one("b", "creating")], create: 0, stop: ["a", "b"] },
  { name: "keeps an old one until the new is ready", desired: 1, have: [one("a", "ready", old)], create: 1, stop: [] },
  {
    name: "keeps as many old ones as new ones aren't ready",
    desired: 2,
    have: [one("a", "ready", old), one("b", "ready", old), one("c"), one("d", "starting")],
    create: 0,
    stop: ["b"],
  },
  {
    name: "stops old ones when replaced",
    desired: 1,
    have: [one("a", "ready", old), one("b")],
    create: 0,
    stop: ["a"],
  },
  { name: "stops old ones that never worked", desired: 1, have: [one("a", "starting", old)], create: 1, stop: ["a"] },
])("planWorkload() $name", ({ desired, have, create, stop }) => {
  const rest = { prepare: false, wake: [], freeze: [], postponed: false };
  expect(planWorkload({ count: desired, hash: "new", standby: "none", mostBooting: 4 }, have)).toEqual({
    create,
    stop,
    ...rest,
  });
});

type Expected = Partial<WorkloadPlan>;
test.each<[string, { count: number; standby: Standby; have: PlannedInstance[] }, Expected]>([
  [
    "makes no more at once than may boot",
    { count: 9, standby: "none", have: [one("a"), one("b", "starting")] },
    { create: 3, postponed: true },
  ],
  [
    "counts what it wakes among those that boot, and not those that take long or wait",
    {
      count: 9,
      standby: "prepared",
      have: [one("a", "prepared"), one("b", "waiting"), one("c", "starting", { booting: false })],
    },
    { wake: ["a"], create: 3, postponed: true },
  ],
  [
    "postpones all while so many boot",
    { count: 9, standby: "none", have: ["a", "b", "c", "d", "e"].map((id) => one(id, "creating")) },
    { postponed: true },
  ],
  ["starts what is prepared", { count: 1, standby: "prepared", have: [one("a", "prepared")] }, { wake: ["a"] }],
  ["lets what is frozen go on", { count: 1, standby: "frozen", have: [one("a", "frozen")] }, { wake: ["a"] }],
  [
    "makes the others that are missing",
    { count: 3, standby: "prepared", have: [one("a", "prepared"), one("b")] },
    { wake: ["a"], create: 1 },
  ],
  [
    "takes the frozen before the prepared, and keeps neither beside what is wanted",
    { count: 1, standby: "frozen", have: [one("a", "prepared"), one("b", "frozen")] },
    { wake: ["b"], stop: ["a"] },
  ],
  [
    "stops all at zero and prepares the next",
    { count: 0, standby: "prepared", have: [one("a"), one("b", "starting")] },
    { stop: ["a", "b"], prepare: true },
  ],
  [
    "keeps one that is prepared, or on its way there",
    { count: 0, standby: "prepared", have: [one("a", "prepared"), one("b", "creating", { resting: true })] },
    { stop: ["b"] },
  ],
  [
    "freezes the oldest that is ready at zero, and stops the others",
    { count: 0, standby: "frozen", have: [one("a", "starting"), one("b"), one("c")] },
    { freeze: ["b"], stop: ["c", "a"] },
  ],
  [
    "keeps one that is frozen, or about to be",
    { count: 0, standby: "frozen", have: [one("a", "draining", { leaving: false, resting: true }), one("b")] },
    { stop: ["b"] },
  ],
  [
    "has nothing to freeze where none is ready",
    { count: 0, standby: "frozen", have: [one("a", "starting")] },
    { stop: ["a"] },
  ],
  [
    "stops who stands by in another way",
    { count: 0, standby: "prepared", have: [one("a", "frozen")] },
    { stop: ["a"], prepare: true },
  ],
  [
    "stops who stands by where nobody should",
    { count: 0, standby: "none", have: [one("a", "frozen")] },
    { stop: ["a"] },
  ],
  [
    "stops who stands by with another spec",
    { count: 0, standby: "prepared", have: [one("a", "prepared", old)] },
    { stop: ["a"], prepare: true },
  ],
  [
    "never wakes who stands by with another spec",
    { count: 1, standby: "frozen", have: [one("a", "frozen", old)] },
    { create: 1, stop: ["a"] },
  ],
])("planWorkload() %s", (_, { count, standby, have }, expected) => {
  const nothing: WorkloadPlan = { create: 0, postponed: false, prepare: false, wake: [], freeze: [], stop: [] };
  expect(planWorkload({ count, hash: "new", standby, mostBooting: 4 }, have)).toEqual({ ...nothing, ...expected });
});
