/**
 * How long a change of a Configuration takes until all traffic is on the new Revision, image present: to the first answer of the new Revision
 * through the gateway, and to `RolloutComplete`. In turns with the same app started by hand on this machine until its first answer: the
 * app's own start, which Elafros can't shorten. What is left is Elafros' own part (promise: at most 100 ms).
 *
 * usage: npm run bench -- deploy [--rounds N]
 */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeImages } from "../test/support/images.ts";
import { freePort, request, startPlatform, type TestPlatform } from "../test/support/platform.ts";
import { startRegistry } from "../test/support/registry.ts";
import { quantile, summary } from "./support.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "20" } } });
const rounds = Number(values.rounds);
const base = "/apis/elafros.dev/v1alpha1/namespaces/default";
const host = "bench.default.localhost";

const registry = await startRegistry();
const images = await makeImages(registry);
const platform = await startPlatform();
try {
  await measure(platform);
} finally {
  await platform.purge();
  await registry.close();
}

async function measure(platform: TestPlatform): Promise<void> {
  const traffic = [{ configurationName: "bench", percent: 100 }];
  await send(platform, "POST", `${base}/routes`, {
    ...named("Route"),
    spec: { rollout: { traffic } },
  });
  await send(platform, "POST", `${base}/configurations`, { ...named("Configuration"), ...template("0") });
  await answered(platform, "0");
  const stages = await watchStages(platform);
  const times: Record<"own" | "answer" | "complete", number[]> = { own: [], answer: [], complete: [] };
  for (let round = 1; round <= rounds; round += 1) {
    times.own.push(await startByHand());
    const startedAt = performance.now();
    stages.begin(revisionName(round));
    await send(platform, "PATCH", `${base}/configurations/bench`, template(String(round)));
    stages.mark("PATCH answered");
    await Promise.all([
      answered(platform, String(round)).then(() => times.answer.push(performance.now() - startedAt)),
      completed(platform, round).then(() => times.complete.push(performance.now() - startedAt)),
    ]);
  }
  stages.stop();
  const own = quantile(times.own, 0.5);
  const left = (list: number[]) =>
    `Elafros' own part ${(quantile(list, 0.5) - own).toFixed(0)} ms at p50 (promise ≤ 100 ms)`;
  console.log(`the app by hand, to its first answer:   ${summary(times.own)}`);
  console.log(`deploy, to the first answer:            ${summary(times.answer)}: ${left(times.answer)}`);
  console.log(`deploy, to RolloutComplete:             ${summary(times.complete)}: ${left(times.complete)}`);
  for (const [stage, list] of stages.times) console.log(`  ${stage.padEnd(38)}${summary(list)}`);
}

function named(kind: string): object {
  return { apiVersion: "elafros.dev/v1alpha1", kind, metadata: { name: "bench" } };
}

function revisionName(round: number): string {
  return `bench-${String(round + 1).padStart(5, "0")}`;
}

/** A request that must succeed; a patch is a merge patch (RFC 7386). */
async function send(platform: TestPlatform, method: string, path: string, body: object): Promise<void> {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const answer = await platform.call(method, path, JSON.stringify(body), { "content-type": type });
  if (answer.status >= 300) throw new Error(`${method} ${path} was answered with ${answer.status}: ${answer.text}`);
}

interface Stages {
  /** When each stage was reached since `begin`, in milliseconds, a list of all rounds. */
  times: Map<string, number[]>;
  begin(revision: string): void;
  mark(stage: string): void;
  stop(): void;
}

/** Sees from a watch when the round's Revision is there, and when each of its conditions is True. */
async function watchStages(platform: TestPlatform): Promise<Stages> {
  const times = new Map<string, number[]>();
  let [began, current] = [0, ""];
  let marked = new Set<string>();
  const mark = (stage: string) => {
    if (marked.has(stage)) return;
    marked.add(stage);
    times.set(stage, [...(times.get(stage) ?? []), performance.now() - began]);
  };
  const watch = await platform.watch(`${base}/revisions`, (object) => {
    const { metadata, status } = object as {
      metadata?: { name?: string };
      status?: { conditions?: { type: string; status: string }[] };
    };
    if (metadata?.name !== current) return;
    mark("Revision created");
    for (const { type, status: value } of status?.conditions ?? []) if (value === "True") mark(`Revision ${type}`);
  });
  const begin = (revision: string) => {
    [began, current, marked] = [performance.now(), revision, new Set()];
  };
  return { times, begin, mark, stop: () => watch.stop() };
}

function template(round: string): object {
  const container = { image: images["app:1"], env: [{ name: "TARGET", value: round }] };
  return { spec: { revisionTemplate: { spec: { container } } } };
}

/** Until the gateway answers from the Revision of that round. */
async function answered(platform: TestPlatform, round: string): Promise<void> {
  for (;;) {
    const answer = await platform.ask(host);
    if (answer.text === `Hello ${round} from 1\n`) return;
    await pause(2);
  }
}

/** Until the Route says that the whole split is served. */
async function completed(platform: TestPlatform, round: number): Promise<void> {
  const name = revisionName(round);
  for (;;) {
    const { status } = (await platform.json("GET", `${base}/routes/bench`)) as {
      status?: { traffic?: { revisionName: string }[]; conditions?: { type: string; status: string }[] };
    };
    const complete = status?.conditions?.some(({ type, status }) => type === "RolloutComplete" && status === "True");
    if (complete === true && status?.traffic?.[0]?.revisionName === name) return;
    await pause(2);
  }
}

/** The sample app as an ordinary process; milliseconds until it answers. */
async function startByHand(): Promise<number> {
  const port = await freePort();
  const startedAt = performance.now();
  const app = resolve(import.meta.dirname, "../test/support/app/server.mjs");
  const child = spawn(process.execPath, [app], { env: { PORT: String(port) }, stdio: "ignore" });
  for (;;) {
    const answer = await request(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (answer !== undefined) break;
    await pause(2);
  }
  const took = performance.now() - startedAt;
  child.kill("SIGKILL");
  return took;
}

function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}
