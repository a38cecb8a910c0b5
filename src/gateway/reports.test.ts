import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import type { GatewayMessage } from "../routing/link.ts";
import { LoadReports } from "./reports.ts";

async function setup(threads: number) {
  const clock = manualClock();
  const asked: number[] = [];
  const said: GatewayMessage[] = [];
  const reports = new LoadReports({
    threads,
    clock,
    toThread: (thread, { type }) => type === "report" && asked.push(thread),
    toControl: (message) => said.push(message),
  });
  // Until its threads run nothing is counted.
  await clock.advance(300);
  reports.start();
  return { clock, asked, said, reports };
}

const load = (revision: string, area: number) => ({ revision, area, requests: 2, waiting: 1 });

test("adds the threads' loads up, once all have answered", async () => {
  const { clock, asked, said, reports } = await setup(2);
  await clock.advance(1_000);
  expect(asked).toEqual([0, 1]);
  reports.fromThread({ revisions: [load("x/a", 123.456), load("x/b", 1_000)], outcomes: [], linesDropped: 0 });
  expect(said).toEqual([]);
  reports.fromThread({ revisions: [load("x/a", 2_000)], outcomes: [], linesDropped: 0 });
  expect(said).toEqual([
    {
      type: "load",
      ms: 1_000,
      revisions: [
        ["x/a", 2.1235, 4, 2],
        ["x/b", 1, 2, 1],
      ],
    },
  ]);
});

test("says each second that there was nothing to do", async () => {
  const { clock, said, reports } = await setup(1);
  for (let second = 0; second < 3; second++) {
    await clock.advance(1_000);
    reports.fromThread({ revisions: [], outcomes: [], linesDropped: 0 });
  }
  expect(said).toEqual(Array.from({ length: 3 }, () => ({ type: "load", ms: 1_000, revisions: [] })));
});

test("waits for a thread that is busy, and tells over how long; nothing is told twice or left out", async () => {
  const { clock, asked, said, reports } = await setup(2);
  await clock.advance(1_000);
  // One request at a time, all the while, in each.
  reports.fromThread({ revisions: [load("x/a", 1_000)], outcomes: [], linesDropped: 0 });
  await clock.advance(2_500);
  expect(asked).toEqual([0, 1]);
  reports.fromThread({ revisions: [load("x/a", 3_500)], outcomes: [], linesDropped: 0 });
  await clock.advance(500);
  expect(asked).toEqual([0, 1, 0, 1]);
  reports.fromThread({ revisions: [load("x/a", 3_000)], outcomes: [], linesDropped: 0 });
  reports.fromThread({ revisions: [load("x/a", 500)], outcomes: [], linesDropped: 0 });
  const told = said.flatMap((one) => (one.type === "load" ? [one] : []));
  expect(told.map(({ ms }) => ms)).toEqual([3_500, 500]);
  const area = told.reduce((sum, { ms, revisions: [[, concurrency] = ["", 0]] }) => sum + ms * concurrency, 0);
  expect(area).toBeCloseTo(8_000, 0);
});

test("says what became of requests after the load, and nothing where there were none", async () => {
  const { clock, said, reports } = await setup(2);
  const outcome = (revision: string) => ({
    route: "x/r",
    revision,
    codes: { 200: 1 },
    steps: [1],
    ms: 1,
    running: 0,
    waiting: 0,
  });
  await clock.advance(1_000);
  reports.fromThread({ revisions: [], outcomes: [outcome("x/a")], linesDropped: 0 });
  reports.fromThread({ revisions: [], outcomes: [outcome("x/b")], linesDropped: 0 });
  expect(said.slice(1)).toEqual([{ type: "outcomes", outcomes: [outcome("x/a"), outcome("x/b")] }]);
  await clock.advance(1_000);
  for (let thread = 0; thread < 2; thread++) reports.fromThread({ revisions: [], outcomes: [], linesDropped: 0 });
  expect(said.slice(2).map(({ type }) => type)).toEqual(["load"]);
});

test("says once that nothing is under way any more, where that was said before", async () => {
  const { clock, said, reports } = await setup(1);
  const running = { route: "x/r", revision: "x/a", codes: {}, steps: [], ms: 0, running: 1, waiting: 0 };
  for (const outcomes of [[running], [], []]) {
    await clock.advance(1_000);
    reports.fromThread({ revisions: [], outcomes, linesDropped: 0 });
  }
  expect(said.flatMap((one) => (one.type === "outcomes" ? [one.outcomes] : []))).toEqual([[running], []]);
});
