/**
 * How long a request waits for a service that has no instance: from the request to its answer, through the gateway of a whole platform, with nothing prepared, with
 * the next instance prepared, and with the last one frozen; then 10 and 50 services at once. In turns with a bare `runc run` of the same
 * bundle until its first answer, and for the frozen with the same request to the running app. The app boots in a few milliseconds (busybox httpd).
 *
 * usage: npm run bench -- cold-start [--rounds N]
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { ControlStatus } from "../src/platform/control/status-file.ts";
import { busyboxRoot } from "../test/support/busybox-root.ts";
import { eventually, type TestPlatform } from "../test/support/platform.ts";
import { createScaled, hasInstances, isAtZero, quick } from "../test/support/scaled.ts";
import { hostOf, type Stage, startStage } from "../test/support/stage.ts";
import { prepareBare } from "./bare.ts";
import { quantile, summary } from "./support.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const rounds = Number(values.rounds);
const many = Array.from({ length: 50 }, (_, index) => `cold-${index}`);
/** More than are prepared, so that none of these is when its turn comes again. */
const stopped = many.slice(0, 20);
const prepared = ["ready-0", "ready-1", "ready-2", "ready-3"];
const frozen = ["frozen-0", "frozen-1", "frozen-2", "frozen-3"];

const stage = await startStage();
const root = await mkdtemp(join(tmpdir(), "elafros-bench-root-"));
try {
  await busyboxRoot(root);
  await measure(stage);
} finally {
  await stage.close();
  await rm(root, { recursive: true, force: true });
}

async function measure({ platform, images }: Stage): Promise<void> {
  const image = images["busybox:1"];
  await createScaled(platform, { name: "kept", image, settings: { ...quick, "min-scale": "1" } });
  const id = await eventually("the kept instance is seen", async () => (await instances(platform, "kept"))[0]?.id);
  const bare = await prepareBare({ dataDir: platform.dataDir, id, root });
  try {
    const times: Record<string, number[]> = {};
    const note = (what: string, ms: number) => void (times[what] ??= []).push(ms);
    for (const name of many) await createScaled(platform, { name, image });
    await bare.start();
    for (let round = 0; round < rounds; round++) {
      for (const name of stopped) {
        await isAtZero(platform, `${name}-00001`);
        const standsBy = await instances(platform, name);
        if (standsBy.length > 0) continue;
        note("nothing prepared", await ask(platform, name));
        note("bare", await bare.start());
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const [what, count] of [
        ["10 at once", 10],
        ["50 at once", 50],
      ] as const) {
        const some = many.slice(0, count);
        await Promise.all(some.map((name) => isAtZero(platform, `${name}-00001`)));
        for (const ms of await Promise.all(some.map((name) => ask(platform, name)))) note(what, ms);
      }
    }
    for (const name of prepared) await createScaled(platform, { name, image });
    for (const name of frozen) await createScaled(platform, { name, image, settings: { ...quick, idle: "freeze" } });
    for (let round = 0; round < rounds; round++) {
      for (const name of prepared) {
        await standsBy(platform, name, "prepared");
        note("prepared", await ask(platform, name));
        note("bare, beside prepared", await bare.start());
      }
      for (const name of frozen) {
        await standsBy(platform, name, "frozen");
        note("frozen", await ask(platform, name));
        note("running", await ask(platform, name));
      }
    }
    for (const [what, list] of Object.entries(times)) console.log(`${what.padEnd(24)} ${summary(list)}`);
    tellRatio(times, ["nothing prepared", "bare"], "≤ 1.5 at p50");
    tellRatio(times, ["prepared", "bare, beside prepared"], "≤ 0.6 at p50, ≤ 1.0 at p95");
    const more = quantile(times["frozen"] ?? [], 0.5) - quantile(times["running"] ?? [], 0.5);
    console.log(`frozen: ${more.toFixed(1)} ms more than running, at p50 (promise ≤ 5 ms)`);
    await hasInstances(platform, "kept-00001", 1);
  } finally {
    await bare.close();
  }
}

function tellRatio(times: Record<string, number[]>, [what, other]: [string, string], promise: string): void {
  const [p50, p95] = [0.5, 0.95].map((q) => quantile(times[what] ?? [], q) / quantile(times[other] ?? [], q));
  console.log(`${what}: ${p50?.toFixed(2)} × bare at p50, ${p95?.toFixed(2)} × at p95 (promise ${promise})`);
}

async function ask(platform: TestPlatform, name: string): Promise<number> {
  const began = performance.now();
  const { status, text } = await platform.ask(hostOf(name));
  if (status !== 200) throw new Error(`${name} was answered with ${status} ${text}`);
  return performance.now() - began;
}

/** What control last told of a service's instances. */
async function instances(platform: TestPlatform, name: string): Promise<ControlStatus["instances"]> {
  const text = await readFile(join(platform.dataDir, "run/status.json"), "utf8");
  return (JSON.parse(text) as ControlStatus).instances.filter(({ revision }) => revision === `${name}-00001`);
}

async function standsBy(platform: TestPlatform, name: string, phase: string): Promise<void> {
  await eventually(
    `${name} is ${phase}`,
    async () => {
      const found = await instances(platform, name);
      return found.length === 1 && found[0]?.phase === phase;
    },
    { timeoutMs: 60_000 },
  );
  // It is said as it begins: what is prepared takes a moment to be so.
  await new Promise((resolve) => setTimeout(resolve, 500));
}
