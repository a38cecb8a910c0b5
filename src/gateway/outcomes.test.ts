import { expect, test } from "vitest";
import { latencySteps } from "../routing/link.ts";
import { Outcomes } from "./outcomes.ts";

const served = { route: "x/a", revision: "x/a-00001" };
const nothingLeft = { running: 0, waiting: 0 };

function steps(counts: Record<number, number>): number[] {
  return Array.from({ length: latencySteps.length + 1 }, (_, i) => counts[i] ?? 0);
}

function record(outcomes: Outcomes, status: number, ms: number): void {
  outcomes.begin(served.route, served.revision).end(status, ms);
}

test("take() gives what was recorded since the last call, by route and revision", () => {
  const outcomes = new Outcomes();
  record(outcomes, 200, 3);
  record(outcomes, 200, 5);
  record(outcomes, 503, 5.1);
  outcomes.refused(404);
  expect(outcomes.take()).toEqual([
    { ...served, codes: { 200: 2, 503: 1 }, steps: steps({ 0: 2, 1: 1 }), ms: 13.1, ...nothingLeft },
    { route: "", revision: "", codes: { 404: 1 }, steps: steps({ 0: 1 }), ms: 0, ...nothingLeft },
  ]);
  expect(outcomes.take()).toEqual([]);
});

test("take() gives what is under way until it has ended, and once more for that", () => {
  const outcomes = new Outcomes();
  const tally = outcomes.begin(served.route, served.revision);
  outcomes.begin(served.route, served.revision).waiting += 1;
  const none = { ...served, codes: {}, steps: steps({}), ms: 0 };
  expect(outcomes.take()).toEqual([{ ...none, running: 2, waiting: 1 }]);
  tally.waiting -= 1;
  tally.end(200, 1);
  tally.end(200, 1);
  expect(outcomes.take()).toEqual([{ ...none, codes: { 200: 2 }, steps: steps({ 0: 2 }), ms: 2, ...nothingLeft }]);
  expect(outcomes.take()).toEqual([]);
});

test("end() counts what took longer than all steps, and no time where the clock was set back", () => {
  const outcomes = new Outcomes();
  record(outcomes, 200, 1e6);
  record(outcomes, 200, -50);
  expect(outcomes.take()).toEqual([
    { ...served, codes: { 200: 2 }, steps: steps({ 0: 1, [latencySteps.length]: 1 }), ms: 1e6, ...nothingLeft },
  ]);
});

test("judge() counts for a guard: failures, slow beginnings, and clients that left only where they waited too long", () => {
  const outcomes = new Outcomes();
  const guarded = (status: number, slow: boolean) => {
    const tally = outcomes.begin(served.route, served.revision);
    tally.end(status, 1);
    tally.judge(status, slow);
  };
  guarded(200, false);
  guarded(404, true);
  guarded(500, false);
  guarded(504, true);
  guarded(499, false);
  guarded(499, true);
  expect(outcomes.take()[0]?.guard).toEqual([5, 2, 3]);
  record(outcomes, 500, 1);
  expect(outcomes.take()[0]).not.toHaveProperty("guard");
});
