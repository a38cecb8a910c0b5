/**
 * From none to 1,000 requests a second at once: errors, how long requests took in the first seconds and after, and how many instances there were. The app answers
 * after 20 ms; an instance gets at most 10 requests at once, so it takes about three.
 *
 * usage: npm run bench -- scale-up [--rounds N] [--seconds N]
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startLoad } from "../test/support/load.ts";
import { createScaled, isAtZero, quick, revisionOf } from "../test/support/scaled.ts";
import { hostOf, type Stage, startStage } from "../test/support/stage.ts";
import { summary } from "./support.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, seconds: { type: "string", default: "15" } },
});
const perSecond = 1_000;
const name = "surge";
const earlyMs = 3_000;

const stage = await startStage();
try {
  await measure(stage);
} finally {
  await stage.close();
}

async function measure({ platform, images }: Stage): Promise<void> {
  await createScaled(platform, { name, image: images["app:1"], settings: quick, spec: { containerConcurrency: 10 } });
  const early: number[] = [];
  const late: number[] = [];
  let failed = 0;
  let most = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    await isAtZero(platform, `${name}-00001`);
    const startedAt = performance.now();
    const load = startLoad({
      port: platform.httpPort,
      host: hostOf(name),
      path: "/?ms=20",
      perSecond,
      connections: 256,
    });
    for (let second = 0; second < Number(values.seconds); second++) {
      await sleep(1_000);
      most = Math.max(most, (await revisionOf(platform, `${name}-00001`)).status.actualReplicas);
    }
    const { answers, failures } = await load.stop();
    failed += failures.length;
    if (failures.length > 0) console.log(`failed: ${failures.slice(0, 3).join("; ")}`);
    for (const { startedAt: began, endedAt } of answers) {
      (began - startedAt < earlyMs ? early : late).push(endedAt - began);
    }
  }
  console.log(`${early.length + late.length} requests, ${failed} failed, at most ${most} instances`);
  console.log(`begun in the first ${earlyMs / 1000} s:  ${summary(early)}`);
  console.log(`after that:              ${summary(late)}`);
}
