import { expect, test } from "vitest";
import type { FromThread, TableUpdate, ToThread } from "./messages.ts";
import { Threads } from "./threads.ts";

function setup() {
  const posted: [number, ToThread][] = [];
  const received: [number, FromThread][] = [];
  const threads = new Threads({
    post: (thread, message) => posted.push([thread, message]),
    receive: (thread, message) => received.push([thread, message]),
  });
  return { threads, posted, received };
}

const later = () => new Promise((resolve) => setImmediate(resolve));
const table: TableUpdate = { version: 7, json: "" };
const asked: ToThread[] = [
  { type: "table", table },
  { type: "drain" },
  { type: "ask" },
  { type: "report" },
  { type: "own" },
];
const answers: FromThread[] = [
  { type: "swapped", version: 7 },
  { type: "empty" },
  { type: "asking", held: {} },
  { type: "load", revisions: [], outcomes: [], linesDropped: 0 },
];

test("what a dead thread hadn't answered is answered for it, and what it had isn't", async () => {
  const { threads, posted, received } = setup();
  for (const message of asked) threads.send(1, message);
  threads.fromThread(1, { type: "swapped", version: 7 });
  threads.lose(1);
  threads.lose(1);
  await later();
  expect(posted).toEqual(asked.map((message) => [1, message]));
  expect(received).toEqual(answers.map((message) => [1, message]));
  expect(threads.lost).toBe(1);
});

test("a dead thread is sent nothing and answers as one that has nothing; the others go on", async () => {
  const { threads, posted, received } = setup();
  threads.lose(0);
  for (const message of asked) threads.send(0, message);
  threads.send(0, { type: "granted", revision: "x/a", instance: "i" });
  threads.send(1, { type: "drain" });
  threads.fromThread(0, { type: "empty" });
  await later();
  expect(posted).toEqual([[1, { type: "drain" }]]);
  expect(received).toEqual([...answers, { type: "returned", instance: "i" }].map((message) => [0, message]));
});
