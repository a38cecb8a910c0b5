/**
 * How long a request waits for a service that has no instance: from the request to its answer, through the gateway of a whole platform; one
 * at a time, and 10 and 50 services at once. In turns with a bare `runc run` of the same bundle until its first answer. The app boots in
 * a few milliseconds (busybox httpd); nothing is prepared but places in the network. Promise: at most 1.5 × the bare run.
 *
 * usage: npm run bench -- cold-start [--rounds N]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { busyboxRoot } from "../test/support/busybox-root.ts";
import { eventually } from "../test/support/platform.ts";
import { createScaled, hasInstances, isAtZero, quick } from "../test/support/scaled.ts";
import { hostOf, type Stage, startStage } from "../test/support/stage.ts";
import { prepareBare } from "./bare.ts";
import { quantile, summary } from "./support.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const rounds = Number(values.rounds);
const services = 50;

const stage = await startStage();
try {
  await measure(stage);
} finally {
  await stage.close();
}

async function measure({ platform, images }: Stage): Promise<void> {
  const image = images["busybox:1"];
  const names = Array.from({ length: services }, (_, index) => `cold-${index}`);
  await createScaled(platform, { name: "kept", image, settings: { ...quick, "min-scale": "1" } });
  const pods = "/api/v1/namespaces/default/pods?labelSelector=elafros.dev%2Frevision%3Dkept-00001";
  const id = await eventually("the kept instance is seen", async () => {
    const { items } = (await platform.json("GET", pods)) as { items: { metadata: { name: string } }[] };
    return items[0]?.metadata.name;
  });
  const root = await mkdtemp(join(tmpdir(), "elafros-bench-root-"));
  await busyboxRoot(root);
  const bare = await prepareBare({ dataDir: platform.dataDir, id, root });
  try {
    for (const name of names) await createScaled(platform, { name, image });
    const times: Record<"bare" | "one" | "ten" | "fifty", number[]> = { bare: [], one: [], ten: [], fifty: [] };
    const wake = async (some: readonly string[]): Promise<number[]> => {
      await Promise.all(some.map((name) => isAtZero(platform, `${name}-00001`)));
      return Promise.all(
        some.map(async (name) => {
          const began = performance.now();
          const { status, text } = await platform.ask(hostOf(name));
          if (status !== 200) throw new Error(`${name} was answered with ${status} ${text}`);
          return performance.now() - began;
        }),
      );
    };
    await bare.start();
    for (let round = 0; round < rounds; round++) {
      for (const name of names.slice(0, 10)) {
        times.one.push(...(await wake([name])));
        times.bare.push(await bare.start());
      }
      times.ten.push(...(await wake(names.slice(10, 20))));
      times.fifty.push(...(await wake(names)));
    }
    console.log(`a bare runc run, to its first answer:           ${summary(times.bare)}`);
    console.log(`a request to a stopped service, to its answer:  ${summary(times.one)}`);
    console.log(`  10 services at once:                          ${summary(times.ten)}`);
    console.log(`  50 services at once:                          ${summary(times.fifty)}`);
    for (const q of [0.5, 0.95]) {
      const ratio = quantile(times.one, q) / quantile(times.bare, q);
      console.log(`ratio at p${q * 100}: ${ratio.toFixed(2)} × (promise ≤ 1.5)`);
    }
    await hasInstances(platform, "kept-00001", 1);
  } finally {
    await bare.close();
    await rm(root, { recursive: true, force: true });
  }
}
