import { expect, test } from "vitest";
import { createTurns } from "./turns.ts";

const round = () => new Promise((resolve) => setImmediate(resolve));

test("take() gives one turn a round, in order", async () => {
  const turns = createTurns();
  const done: number[] = [];
  for (const each of [1, 2, 3]) void turns.take().then(() => done.push(each));
  await Promise.resolve();
  await Promise.resolve();
  expect(done).toEqual([1]);
  const seen: number[] = [];
  while (done.length < 3) {
    await round();
    seen.push(done.length);
  }
  expect(done).toEqual([1, 2, 3]);
  // Others had the loop between any two turns.
  expect(new Set(seen).size).toBe(seen.filter((count, index) => count !== seen[index - 1]).length);
  expect(seen).toContain(2);
});

test("take() waits for nobody once the burst is over", async () => {
  const turns = createTurns();
  await Promise.all([turns.take(), turns.take()]);
  for (let index = 0; index < 4; index++) await round();
  let done = false;
  void turns.take().then(() => (done = true));
  await Promise.resolve();
  await Promise.resolve();
  expect(done).toBe(true);
});
