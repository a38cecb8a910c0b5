/** Shown by 4, whole: half a minute of rollouts, forth and back, under 500 requests a second, for each thing that may happen to the platform. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Disturbance, disturbances, rolloutsUnderLoad, upgrades } from "../support/disturb.ts";
import { createService, type Stage, startStage } from "../support/stage.ts";

const name = "rolling";
const ms = 30_000;
let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
  await createService(stage.platform, name, stage.images["app:1"]);
});

afterAll(async () => stage?.close());

test.each(Object.entries<Disturbance>({ ...disturbances, ...upgrades }))(
  "no request fails in 30 s of rollouts under load while %s",
  async (what, disturb) => {
    const { answers, failures, rollouts, slowestMs } = await rolloutsUnderLoad(stage, { name, ms, disturb });
    process.stderr.write(
      `${what}: ${rollouts} rollouts, ${answers.length} requests, slowest ${Math.round(slowestMs)} ms\n`,
    );
    expect(failures).toEqual([]);
    expect(answers.length).toBeGreaterThan(1_000);
  },
);
