import { expect, test } from "vitest";
import type { InstancePhase } from "../workloads.ts";
import { type PlannedInstance, planWorkload } from "./plan.ts";

let clock = 0;
const one = (id: string, phase: InstancePhase = "ready", more: Partial<PlannedInstance> = {}): PlannedInstance => ({
  id,
  phase,
  hash: "new",
  createdAt: ++clock,
  leaving: phase === "draining" || phase === "stopping",
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
  expect(planWorkload(desired, "new", have)).toEqual({ create, stop });
});
