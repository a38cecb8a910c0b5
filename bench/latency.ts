/**
 * What the gateway adds to a request's time at 1,000 requests/s: the same app, asked directly and through a gateway process, in turns, by an
 * open loop in a process of its own. Five requests start every 5 ms, on all ways. Promise: p50 at most 0.1 ms more, p99 at most 1 ms more.
 * Through nginx, too: what it adds is what two more wake-ups of a process cost on this machine, as busy as it is.
 *
 * usage: npm run bench -- latency [--rounds N] [--seconds N]
 */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createBench } from "../test/support/gateway.ts";
import { startLoad } from "../test/support/load.ts";
import { freePort } from "../test/support/platform.ts";
import { listens } from "../test/support/raw-http.ts";
import { startNginxProxy } from "./proxies.ts";
import { quantile } from "./support.ts";

const perSecond = 1_000;
const host = "app.default.localhost";

interface Round {
  port: number;
  seconds: number;
}

/** Milliseconds. */
interface Times {
  p50: number;
  p99: number;
}

if (process.send === undefined) await measure();
else generate();

async function measure(): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: "string", default: "7" }, seconds: { type: "string", default: "4" } },
  });
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  process.env["ELAFROS_LOG"] ??= "error";
  const appPort = await freePort();
  const server = resolve(import.meta.dirname, "../test/support/app/server.mjs");
  const app = spawn(process.execPath, [server], { env: { PORT: String(appPort), VERSION: "1" }, stdio: "ignore" });
  const generator = fork(import.meta.filename, []);
  const dir = await mkdtemp(join(tmpdir(), "elafros-bench-latency-"));
  const nginx = await startNginxProxy(dir, { plain: await freePort(), secure: 0 }, { upstream: appPort });
  const bench = await createBench();
  try {
    await listens(appPort);
    const control = await bench.control();
    await bench.start({ threads: 1 });
    const instances = [{ id: "one", host: "127.0.0.1", port: appPort }];
    const entry = { configuration: "default/app", protocol: "http1" as const, concurrency: 0, timeoutMs: 60_000 };
    await control.settle({
      hosts: { [host]: { route: "default/app", targets: [{ revision: "default/app-00001", percent: 100 }] } },
      revisions: { "default/app-00001": { ...entry, instances } },
    });
    const ask = async (round: Round): Promise<Times> => {
      generator.send(round);
      const [times] = (await once(generator, "message")) as [Times | string];
      if (typeof times === "string") throw new Error(times);
      return times;
    };
    const ways: { name: string; port: number; times: Times[] }[] = [
      { name: "direct", port: appPort, times: [] },
      { name: "through the gateway", port: bench.port, times: [] },
      { name: "through nginx", port: nginx.port, times: [] },
    ];
    // What is compiled at run time, is by then.
    for (const { port } of ways) await ask({ port, seconds });
    for (let round = 0; round < rounds; round += 1) {
      for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
        way.times.push(await ask({ port: way.port, seconds }));
      }
    }
    const middles = ways.map(({ name, times }) => {
      const [p50, p99] = [times.map((one) => one.p50), times.map((one) => one.p99)];
      const middle = { p50: quantile(p50, 0.5), p99: quantile(p99, 0.5) };
      console.log(`${name.padEnd(20)} p50 ${middle.p50.toFixed(3)} ms, p99 ${middle.p99.toFixed(3)} ms`);
      return middle;
    });
    const added = (way: number, of: keyof Times) =>
      ((middles[way]?.[of] ?? Number.NaN) - (middles[0]?.[of] ?? Number.NaN)).toFixed(3);
    console.log(
      `added                p50 ${added(1, "p50")} ms (promise ≤ 0.1), p99 ${added(1, "p99")} ms (promise ≤ 1)`,
    );
    console.log(`added by nginx       p50 ${added(2, "p50")} ms, p99 ${added(2, "p99")} ms`);
    console.log(`medians of ${rounds} rounds of ${seconds} s in turns, ${perSecond} requests/s`);
  } finally {
    generator.kill();
    app.kill("SIGKILL");
    await nginx.stop();
    await bench.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** The generator's process: answers each round with its times, or with the sentence that says what failed. */
function generate(): void {
  process.on("message", ({ port, seconds }: Round) => {
    void (async () => {
      const load = startLoad({ port, host, perSecond, connections: 16, atMostMs: seconds * 1_000 });
      await sleep(seconds * 1_000);
      const { answers, failures } = await load.stop();
      const times = answers.map(({ startedAt, endedAt }) => endedAt - startedAt);
      process.send?.(
        failures.length > 0
          ? `Cannot measure: ${failures.length} requests failed, the first: ${failures[0] ?? ""}`
          : ({ p50: quantile(times, 0.5), p99: quantile(times, 0.99) } satisfies Times),
      );
    })();
  });
}
