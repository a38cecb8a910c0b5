/** To none and back 200 times under a request now and then, none of which fails; `npm test` does it five times. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createScaled, isAtZero } from "../support/scaled.ts";
import { hostOf, type Stage, startStage } from "../support/stage.ts";

const cycles = 200;
const services = 4;
let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
});

afterAll(async () => stage?.close());

test(`${services} services go to none and back, ${cycles} times together`, async () => {
  const { platform, images } = stage;
  const names = Array.from({ length: services }, (_, index) => `cycle-${index}`);
  for (const name of names) await createScaled(platform, { name, image: images["app:1"] });
  const times: number[] = [];
  const play = async (name: string): Promise<void> => {
    for (let cycle = 0; cycle < cycles / services; cycle++) {
      await isAtZero(platform, `${name}-00001`);
      const began = performance.now();
      const answers = await Promise.all(Array.from({ length: 3 }, () => platform.ask(hostOf(name))));
      times.push(performance.now() - began);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    }
  };
  await Promise.all(names.map(play));
  const sorted = times.toSorted((a, b) => a - b);
  process.stderr.write(`from zero: median ${Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)} ms, `);
  process.stderr.write(`longest ${Math.round(sorted.at(-1) ?? 0)} ms\n`);
});
