/** Shown by 5, whole: 500 creates and patches, 20 kills of control. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { durability } from "../support/durable.ts";
import { type Stage, startStage } from "../support/stage.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
});

afterAll(async () => stage?.close());

test("what control acknowledged survives 20 kills during 500 writes, once, while the service answers", async () => {
  const { faults, acknowledged, kills } = await durability(stage, { writes: 500, kills: 20 });
  process.stderr.write(`${acknowledged} acknowledged writes, ${kills} kills\n`);
  expect(faults).toEqual([]);
  expect(acknowledged).toBeGreaterThanOrEqual(500);
  expect(kills).toBe(20);
});
