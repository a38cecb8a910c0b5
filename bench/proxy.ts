/**
 * What a proxied request costs: Elafros, nginx and HAProxy, one worker each, before the same upstream, in turns. Processor time is the
 * kernel's account of each one's processes; requests per second and core follow from it. Other load on the machine still takes the caches away, from
 * the largest program most: a sample during which others took over a tenth of the machine is taken again, `--patience` times at most, and how
 * much they took in those that count is printed. HTTP/1.1 in plain text, and it and HTTP/2 over TLS. Promise: at least as good as nginx and as
 * HAProxy at 1 KiB.
 *
 * usage: npm run bench -- proxy [--rounds N] [--seconds N] [--patience N] [--connections 1,16,64,256] [--loads small,empty,large,post]
 *   [--protocols http1,https,http2]
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../src/lib/clock.ts";
import { openAuthority } from "../src/platform/certificates/authority.ts";
import { openFileStore } from "../src/platform/certificates/file-store.ts";
import { freePort } from "../test/support/platform.ts";
import { createBench, until } from "../test/support/gateway.ts";
import { type Answers, generate, type Protocol, protocols } from "./generators.ts";
import { cpuOf, type Proxy, startHaproxy, startNginxProxy, startUpstream } from "./proxies.ts";
import { quantile } from "./support.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    patience: { type: "string", default: "5" },
    connections: { type: "string", default: "1,16,64,256" },
    loads: { type: "string", default: "small,empty,large,post" },
    protocols: { type: "string", default: protocols.join(",") },
  },
});
const host = "app.default.localhost";

interface Sample extends Answers {
  cpuUs: number;
  /** The part of the machine's processor time that others took. */
  others: number;
}

const mostOthers = 0.1;

const dir = await mkdtemp(join(tmpdir(), "elafros-bench-proxy-"));
const cleanups: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })];
try {
  process.env["ELAFROS_LOG"] ??= "error";
  await measure();
} finally {
  for (const cleanup of cleanups.reverse()) await cleanup();
}

async function measure(): Promise<void> {
  const authority = await openAuthority((await openFileStore(join(dir, "ca"))).authority, systemClock);
  const certificate = await authority.issue([host]);
  const pem = join(dir, "app.pem");
  await writeFile(pem, `${certificate.cert}\n${certificate.key}\n`, { mode: 0o600 });
  const upstream = await freePort();
  const server = keep(await startUpstream(dir, upstream));
  const proxies = [
    await startElafros(upstream, certificate),
    keep(await startNginxProxy(dir, await ports(), { upstream, pem })),
    keep(await startHaproxy(dir, await ports(), { upstream, pem })),
  ];
  console.log(
    "| protocol | load | connections | | µs CPU per request | requests/s per core | p50 | p99 | others | of Elafros |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const protocol of protocols.filter((one) => values.protocols.split(",").includes(one))) {
    const scenes = values.loads.split(",").map((load) => ({ protocol, load, server }));
    // What is compiled at run time, is by then.
    for (const scene of scenes) for (const proxy of proxies) await sample(proxy, { ...scene, connections: 16 });
    for (const scene of scenes)
      for (const connections of values.connections.split(",").map(Number))
        await compare(proxies, { ...scene, connections });
  }
}

async function ports(): Promise<{ plain: number; secure: number }> {
  return { plain: await freePort(), secure: await freePort() };
}

function keep(proxy: Proxy): Proxy {
  cleanups.push(() => proxy.stop());
  return proxy;
}

/** A gateway with one thread: a host split over two Revisions with a limit, whose instances are the upstream. */
async function startElafros(upstream: number, certificate: { cert: string; key: string }): Promise<Proxy> {
  const bench = await createBench({ tls: true });
  cleanups.push(() => bench.close());
  const control = await bench.control();
  const gateway = await bench.start({ threads: 1 });
  const revision = (id: string) => ({
    configuration: "default/app",
    protocol: "http1" as const,
    concurrency: 1_000,
    timeoutMs: 300_000,
    instances: [{ id, host: "127.0.0.1", port: upstream }],
  });
  const targets = [
    { revision: "default/app-00001", percent: 90 },
    { revision: "default/app-00002", percent: 10 },
  ];
  await control.settle({
    hosts: { [host]: { route: "default/app", targets } },
    revisions: { "default/app-00001": revision("one"), "default/app-00002": revision("two") },
  });
  control.feed.put({ id: "app", names: [host], ...certificate });
  await until(() => control.feed.has("app"));
  const { port, tlsPort } = bench;
  return { name: "Elafros", port, securePort: tlsPort, cpu: () => cpuOf(gateway.process), stop: () => bench.close() };
}

interface Scene {
  protocol: Protocol;
  load: string;
  connections: number;
  /** The upstream. */
  server: Proxy;
}

async function compare(proxies: Proxy[], scene: Scene): Promise<void> {
  const { protocol, load, connections } = scene;
  const samples = new Map<string, Sample[]>(proxies.map(({ name }) => [name, []]));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (let i = 0; i < proxies.length; i += 1) {
      // Another one first in each round.
      const proxy = proxies[(round + i) % proxies.length];
      if (proxy !== undefined) samples.get(proxy.name)?.push(await quietSample(proxy, scene));
    }
  }
  const middle = (name: string, of: (one: Sample) => number): number =>
    quantile((samples.get(name) ?? []).map(of), 0.5);
  const own = middle("Elafros", ({ cpuUs }) => cpuUs);
  for (const { name } of proxies) {
    const cpu = middle(name, ({ cpuUs }) => cpuUs);
    const [p50, p99] = [middle(name, ({ p50Us }) => p50Us), middle(name, ({ p99Us }) => p99Us)];
    const others = `${(100 * middle(name, (one) => one.others)).toFixed(0)} %`;
    const cells = [protocol, load, connections, name, cpu.toFixed(2), Math.round(1e6 / cpu), `${p50} µs`, `${p99} µs`];
    cells.push(others);
    console.log(`| ${cells.join(" | ")} | ${name === "Elafros" ? "" : `${(cpu / own).toFixed(2)} ×`} |`);
  }
}

/** The best of some samples: the first without much other load, else the one with the least. */
async function quietSample(proxy: Proxy, scene: Scene): Promise<Sample> {
  let best = await sample(proxy, scene);
  for (let tries = 0; tries < Number(values.patience) && best.others > mostOthers; tries += 1) {
    const next = await sample(proxy, scene);
    if (next.others < best.others) best = next;
  }
  return best;
}

/** Nanoseconds of processor time that the machine was busy, and those of this process and its children that have ended. */
function busy(): { all: number; own: number } {
  const tick = 1e7;
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] =
    readFileSync("/proc/stat", "utf8").split("\n", 1)[0]?.split(/\s+/).map(Number) ?? [];
  const stat = readFileSync("/proc/self/stat", "utf8");
  const own = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 15)
    .map(Number);
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) * tick;
  return { all: sum([user, nice, system, irq, softirq, steal]), own: sum(own) };
}

async function sample(proxy: Proxy, { protocol, load: path, connections, server }: Scene): Promise<Sample> {
  const port = protocol === "http1" ? proxy.port : proxy.securePort;
  const seconds = Number(values.seconds);
  const [before, upstream, machine, began] = [proxy.cpu(), server.cpu(), busy(), performance.now()];
  const answers = await generate({ protocol, path, host, port, connections, seconds, dir });
  const cpu = proxy.cpu() - before;
  const after = busy();
  const ours = cpu + server.cpu() - upstream + after.own - machine.own;
  const whole = (performance.now() - began) * 1e6 * availableParallelism();
  const others = Math.max(0, after.all - machine.all - ours) / whole;
  return { ...answers, cpuUs: cpu / 1_000 / answers.requests, others };
}
