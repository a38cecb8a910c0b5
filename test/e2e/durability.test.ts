/** Shown by 5, in short: SIGKILL to control at random moments during creates and patches loses nothing, doubles nothing, and nobody notices. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { durability } from "../support/durable.ts";
import { type Stage, startStage } from "../support/stage.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
});

afterAll(async () => stage?.close());

test("what control acknowledged survives its kills, once, while the service answers", async () => {
  const { faults, acknowledged, kills } = await durability(stage, { writes: 60, kills: 4 });
  expect(faults).toEqual([]);
  expect(acknowledged).toBeGreaterThanOrEqual(60);
  expect(kills).toBe(4);
});
