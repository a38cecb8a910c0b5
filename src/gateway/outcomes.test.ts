import { expect, test } from "vitest";
import { latencySteps } from "../routing/link.ts";
import { Outcomes } from "./outcomes.ts";

const served = { route: "x/a", revision: "x/a-00001" };

function steps(counts: Record<number, number>): number[] {
  return Array.from({ length: latencySteps.length + 1 }, (_, i) => counts[i] ?? 0);
}

test("take() gives what was recorded since the last call, by route and revision", () => {
  const outcomes = new Outcomes();
  outcomes.record(served, 200, 3);
  outcomes.record(served, 200, 5);
  outcomes.record(served, 503, 5.1);
  outcomes.record({ route: "", revision: "" }, 404, 0);
  expect(outcomes.take()).toEqual([
    { ...served, codes: { 200: 2, 503: 1 }, steps: steps({ 0: 2, 1: 1 }), ms: 13.1 },
    { route: "", revision: "", codes: { 404: 1 }, steps: steps({ 0: 1 }), ms: 0 },
  ]);
  expect(outcomes.take()).toEqual([]);
});

test("record() counts what took longer than all steps, and no time where the clock was set back", () => {
  const outcomes = new Outcomes();
  outcomes.record(served, 200, 1e6);
  outcomes.record(served, 200, -50);
  expect(outcomes.take()).toEqual([
    { ...served, codes: { 200: 2 }, steps: steps({ 0: 1, [latencySteps.length]: 1 }), ms: 1e6 },
  ]);
});
