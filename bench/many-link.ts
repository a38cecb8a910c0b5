/**
 * What 1,000 services with 10,000 Revisions at zero cost the way from a Route's assignment to the gateway: the real publisher, link and gateway
 * process, first with 10 services, then with 1,000. One service has a running app. The API server, the store, the controllers and the
 * supervisor aren't in it, nor in its memory. Promises: requests no slower than with 10; a Route's change in the gateway within 50 ms;
 * nothing holds control's loop over 2 ms.
 *
 * usage: npm run bench -- many-link [--services N] [--revisions N] [--rounds N]
 */
import { readFile } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createBench, startApp, until } from "../test/support/gateway.ts";
import { request } from "../test/support/platform.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLog } from "../src/lib/log.ts";
import type * as linkModule from "../src/platform/control/link-server.ts";
import type * as publisherModule from "../src/routing/publisher.ts";
import { cpuOf } from "./proxies.ts";
import { quantile, summary } from "./support.ts";

const { values } = parseArgs({
  options: {
    services: { type: "string", default: "1000" },
    revisions: { type: "string", default: "10" },
    rounds: { type: "string", default: "30" },
  },
});
const few = 10;
const idleSeconds = 10;
const requests = 2_000;

/** A part of the compiled build where `npm run bench` asks for it: that is what is shipped. */
const compiled = process.env["ELAFROS_COMPILED"] === "1";
const from = async <T>(path: string): Promise<T> =>
  (await import(compiled ? `../dist/${path}.js` : `../src/${path}.ts`)) as T;
const [{ createLinkServer }, { createPublisher }] = await Promise.all([
  from<typeof linkModule>("platform/control/link-server"),
  from<typeof publisherModule>("routing/publisher"),
]);

const name = (service: number) => `service-${service}`;
const revision = (service: number, generation: number) => `${name(service)}-${String(generation).padStart(5, "0")}`;

process.env["ELAFROS_LOG"] ??= "error";
const bench = await createBench();
const app = await startApp("one");
const publisher = createPublisher({ clock: systemClock, log: silentLog, startVersion: 1 });
const nothing = () => {};
const heard = { onHung: nothing, onDemand: nothing, onLoad: nothing, onOutcomes: nothing, onSeen: nothing };
const link = await createLinkServer({ path: bench.linkPath, publisher, clock: systemClock, log: silentLog, ...heard });
try {
  const gateway = await bench.start();
  publisher.start();
  publisher.setInstances(`default/${revision(0, 1)}`, { instances: [app.instance] });
  const before = await measure(few, gateway.process.pid ?? 0);
  const after = await measure(Number(values.services), gateway.process.pid ?? 0);
  const ratio = (of: "p50" | "p99") => (after[of] / before[of]).toFixed(2);
  console.log(
    `\na request with ${values.services} services against ${few}: p50 ${ratio("p50")} ×, p99 ${ratio("p99")} × (promise ≤ 1)`,
  );
  console.log(`a Route's change in the gateway: p50 ${(after.change / 50).toFixed(2)} × of the promised 50 ms`);
} finally {
  await link.close();
  await app.close();
  await bench.close();
}

/** Puts so many services into the table and prints what then holds; milliseconds. */
async function measure(services: number, pid: number): Promise<{ p50: number; p99: number; change: number }> {
  for (let service = 0; service < services; service += 1) {
    for (let generation = 1; generation <= Number(values.revisions); generation += 1) {
      publisher.setRevision({
        revision: `default/${revision(service, generation)}`,
        configuration: `default/${name(service)}`,
        protocol: "http1",
        concurrency: 0,
        timeoutMs: 300_000,
      });
    }
    assign(service, 100);
  }
  await until(() => publisher.confirmed(assign(0, 100)));
  const changes: number[] = [];
  const holds: number[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    await sleep(100);
    const lag = monitorEventLoopDelay({ resolution: 1 });
    lag.enable();
    const startedAt = performance.now();
    // The running Revision keeps its part, so that the app can be asked meanwhile.
    const version = assign(services - 1, round % 2 === 0 ? 90 : 80);
    await new Promise<void>((resolve) => {
      const unsubscribe = publisher.subscribe(() => {
        if (!publisher.confirmed(version)) return;
        unsubscribe();
        resolve();
      });
    });
    changes.push(performance.now() - startedAt);
    lag.disable();
    holds.push(lag.max / 1e6);
  }
  const times: number[] = [];
  for (let sent = 0; sent < requests; sent += 1) {
    const startedAt = performance.now();
    const { status } = await request(`http://127.0.0.1:${bench.port}/`, { headers: { host: "service-0.example" } });
    if (status !== 200) throw new Error(`The running service answered with ${status}`);
    times.push(performance.now() - startedAt);
  }
  const began = cpuOf({ pid });
  await sleep(idleSeconds * 1_000);
  const cpu = (cpuOf({ pid }) - began) / (idleSeconds * 1e9);
  const pss = Number(/^Pss:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]) / 1024;
  const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
  console.log(`\n${services} services with ${values.revisions} Revisions each, one running:`);
  console.log(`  a Route's change until the gateway confirms it   ${summary(changes)}`);
  console.log(`  longest hold of the publisher's loop meanwhile   ${summary(holds)}`);
  console.log(`  a request                                        p50 ${p50.toFixed(3)} ms, p99 ${p99.toFixed(3)} ms`);
  console.log(
    `  the gateway's PSS                                ${pss.toFixed(1)} MiB, idle ${(cpu * 100).toFixed(2)} % of a core`,
  );
  return { p50, p99, change: quantile(changes, 0.5) };
}

/** The first Revision gets the percent, the second the rest. */
function assign(service: number, percent: number): number {
  const targets = [
    { revision: revision(service, 1), percent },
    { revision: revision(service, 2), percent: 100 - percent },
  ].filter((target) => target.percent > 0);
  const own = name(service);
  return publisher.assign({
    route: `default/${own}`,
    hosts: [`${own}.example`, `${own}.default`],
    targets,
    named: ["next", "previous", "latest"].map((each) => ({
      host: `${each}.${own}.example`,
      revision: revision(service, 2),
    })),
  });
}
