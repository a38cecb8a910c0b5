import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { Counters, createSharedMemory, isEarlier } from "./memory.ts";

test("tryAcquire() takes as many slots as the limit, release() gives them back", () => {
  const counters = new Counters(createSharedMemory(1));
  expect([1, 2, 3].map(() => counters.tryAcquire(7, 2))).toEqual([true, true, false]);
  expect([counters.inFlight(7), counters.inFlight(8)]).toEqual([2, 0]);
  expect([counters.release(7), counters.tryAcquire(7, 2), counters.release(7, 2)]).toEqual([1, true, 0]);
  expect(Array.from({ length: 5000 }, () => counters.tryAcquire(7, 0)).includes(false)).toBe(false);
});

test("tryWait() bounds those who wait", () => {
  const counters = new Counters(createSharedMemory(2));
  expect([counters.tryWait(1, 1), counters.tryWait(1, 1), counters.waiting(1)]).toEqual([true, false, 1]);
  counters.stopWaiting(1);
  expect(counters.tryWait(1, 1)).toBe(true);
});

test("firstThread() is the one whose head came first, also where tickets wrap around", () => {
  const counters = new Counters(createSharedMemory(3));
  expect(counters.firstThread(4)).toBe(-1);
  counters.setHead(4, 0, -(2 ** 31) + 5);
  counters.setHead(4, 2, 2 ** 31 - 5);
  expect(counters.firstThread(4)).toBe(2);
  counters.setHead(4, 2, 0);
  expect(counters.firstThread(4)).toBe(0);
  expect([isEarlier(1, 2), isEarlier(2, 1), isEarlier(-1, 1)]).toEqual([true, false, true]);
});

test("ticket() is never 0 and grows", () => {
  const counters = new Counters(createSharedMemory(1));
  const [a, b] = [counters.ticket(), counters.ticket()];
  expect([a, b]).toEqual([1, 2]);
});

test("raiseWake() says once that a thread needs to be told", () => {
  const counters = new Counters(createSharedMemory(2));
  expect([counters.raiseWake(1), counters.raiseWake(1), counters.raiseWake(0)]).toEqual([true, false, true]);
  counters.clearWake(1);
  expect(counters.raiseWake(1)).toBe(true);
});

const hammer = `
const { workerData, parentPort } = require("node:worker_threads");
import(workerData.module).then(({ Counters }) => {
  const counters = new Counters(workerData.memory);
  const positions = new Array(100).fill(0);
  let taken = 0;
  let most = 0;
  for (let i = 0; i < 20000; i++) {
    positions[counters.nextPosition(3)] += 1;
    if (!counters.tryAcquire(5, 3)) continue;
    taken += 1;
    most = Math.max(most, counters.inFlight(5));
    counters.release(5);
  }
  parentPort.postMessage({ positions, taken, most });
});
`;

test("slots and positions are exact under four threads that hammer them", async () => {
  const memory = createSharedMemory(4);
  const workerData = { memory, module: new URL("./memory.ts", import.meta.url).href };
  const results = await Promise.all(
    Array.from({ length: 4 }, () => {
      const worker = new Worker(hammer, { eval: true, workerData });
      return new Promise<{ positions: number[]; taken: number; most: number }>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
    }),
  );
  const sums = Array.from({ length: 100 }, (_, i) =>
    results.reduce((sum, { positions }) => sum + (positions[i] ?? 0), 0),
  );
  expect(new Set(sums)).toEqual(new Set([800]));
  expect(Math.max(...results.map(({ most }) => most))).toBeLessThanOrEqual(3);
  expect(results.every(({ taken }) => taken > 0)).toBe(true);
  expect(new Counters(memory).inFlight(5)).toBe(0);
});

test("nextPosition() goes on without a seam where its counter starts again", () => {
  const memory = createSharedMemory(1);
  const counters = new Counters(memory);
  const words = new Int32Array(memory.buffer);
  // The first split's position follows two words for each instance.
  words[2 * 65_536] = 1_000_000_000 - 50;
  const seen = Array.from({ length: 200 }, () => counters.nextPosition(0));
  expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => (50 + i) % 100));
  expect(words[2 * 65_536]).toBe(150);
});
