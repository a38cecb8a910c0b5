/** Shown by 3: a split is exact in every 100 requests, and changes under load without one failed or misrouted request. */
import { Pool } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { burst, countVersions, startLoad } from "../support/load.ts";
import {
  changeImage,
  createService,
  expectOk,
  hostOf,
  mergePatch,
  pathOf,
  served,
  type Stage,
  startStage,
} from "../support/stage.ts";

const name = "split";
const host = hostOf(name);
/** Version that each Revision's app says. */
const revisions = { "split-00001": "1", "split-00002": "2", "split-00003": "3" } as const;
type Revision = keyof typeof revisions;
type Split = Partial<Record<Revision, number>>;
let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
  const { platform, images } = stage;
  await createService(platform, name, images["app:1"]);
  // From here on the traffic stays where it is put by hand.
  await split({ "split-00001": 100 });
  for (const image of ["app:2", "app:3"] as const) await changeImage(platform, name, { image: images[image] });
});

afterAll(async () => stage?.close());

/** Asks for a split and waits until every gateway serves it; gives when it was asked for and when it was in force everywhere. */
async function split(shares: Split): Promise<{ from: number; until: number; versions: string[] }> {
  const traffic = Object.entries(shares).map(([revisionName, percent]) => ({ revisionName, percent }));
  const from = performance.now();
  const patch = JSON.stringify({ spec: { rollout: { traffic } } });
  expectOk(await stage.platform.call("PATCH", pathOf("routes", name), patch, mergePatch));
  await served(stage.platform, name, shares);
  return { from, until: performance.now(), versions: Object.keys(shares).map((key) => revisions[key as Revision]) };
}

test("90/9/1 is exact in every 100 requests over many connections and all threads", async () => {
  await split({ "split-00001": 90, "split-00002": 9, "split-00003": 1 });
  const pool = new Pool(`http://127.0.0.1:${stage.platform.httpPort}`, { connections: 50, pipelining: 1 });
  const threads = await threadTicks();
  let before = await counts();
  const total = (): number => before.reduce((sum, count) => sum + count, 0);
  const first = total();
  try {
    // Where in the sequence of 100 a window begins must not matter.
    await burst({ pool, host, count: 37 });
    for (let round = 0; round < 30; round += 1) {
      expect(countVersions(await burst({ pool, host, count: 100 })), `window ${round}`).toEqual({ 1: 90, 2: 9, 3: 1 });
    }
    // Gateways report each second.
    await expect.poll(async () => ((before = await counts()), total() - first)).toBe(3_037);
    expect(countVersions(await burst({ pool, host, count: 2_000 }))).toEqual({ 1: 1_800, 2: 180, 3: 20 });
  } finally {
    await pool.destroy();
  }
  // More than one of the gateway's threads had work: the count is exact over them.
  const worked = [...(await threadTicks())].filter(([id, ticks]) => ticks - (threads.get(id) ?? 0) >= 2);
  expect(worked.length).toBeGreaterThanOrEqual(2);
  // And the metrics tell the same.
  const since = async (): Promise<number[]> => (await counts()).map((count, i) => count - (before[i] ?? 0));
  await expect.poll(since).toEqual([1_800, 180, 20]);
});

test("a split changed under load fails and misroutes no request", async () => {
  const load = startLoad({ port: stage.platform.httpPort, host, perSecond: 300, atMostMs: 60_000 });
  const steps: { from: number; until: number; versions: string[] }[] = [await split({ "split-00001": 100 })];
  const plan: Split[] = [
    { "split-00001": 90, "split-00002": 9, "split-00003": 1 },
    { "split-00002": 50, "split-00003": 50 },
    { "split-00001": 100 },
    { "split-00003": 100 },
    { "split-00001": 1, "split-00002": 99 },
    { "split-00002": 100 },
    { "split-00001": 100 },
  ];
  for (const shares of plan) {
    const before = load.answered();
    await answered(load, before + 60);
    steps.push(await split(shares));
  }
  await answered(load, load.answered() + 60);
  const { answers, failures } = await load.stop();
  expect(failures).toEqual([]);
  const settled = steps[0]?.until ?? 0;
  const misrouted = answers
    .filter(({ startedAt }) => startedAt >= settled)
    .filter((answer) => !allowed(answer, steps).includes(answer.version));
  expect(misrouted).toEqual([]);
  expect(countVersions(answers)).toMatchObject({ 1: expect.any(Number), 2: expect.any(Number), 3: expect.any(Number) });
});

/** The versions that a request may have gone to: of each split that was in force, or on its way, at some time of the request. */
function allowed(
  { startedAt, endedAt }: { startedAt: number; endedAt: number },
  steps: readonly { from: number; until: number; versions: string[] }[],
): string[] {
  return steps.flatMap(({ from, versions }, index) => {
    const overtaken = steps[index + 1]?.until ?? Infinity;
    return from <= endedAt && startedAt <= overtaken ? versions : [];
  });
}

async function answered(load: { answered(): number; failures(): readonly string[] }, count: number): Promise<void> {
  await expect.poll(() => load.answered() >= count || load.failures().length > 0, { interval: 20 }).toBe(true);
}

/** Requests that each Revision has answered with 200, by the metrics. */
async function counts(): Promise<number[]> {
  const { text } = await stage.platform.call("GET", "/metrics");
  return Object.keys(revisions).map((revision) => {
    const sample = `elafros_requests_total{route="default/${name}",revision="default/${revision}",code="200"} `;
    const line = text.split("\n").find((one) => one.startsWith(sample));
    return Number(line?.slice(sample.length) ?? 0);
  });
}

/** Clock ticks of processor time that each thread of the gateway has had, by thread id. */
async function threadTicks(): Promise<Map<string, number>> {
  const { readdir, readFile } = await import("node:fs/promises");
  const tasks = `/proc/${await stage.platform.pid("gateway")}/task`;
  const ticks = new Map<string, number>();
  for (const id of await readdir(tasks)) {
    const stat = await readFile(`${tasks}/${id}/stat`, "utf8");
    // proc(5): utime and stime are fields 14 and 15; the command, in parentheses, is the second.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks.set(id, Number(fields[11]) + Number(fields[12]));
  }
  return ticks;
}
