/** Two gateways, as on a cluster: each a process with a port of its own, one control that shares the slots of limited instances out to them. */
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { createLinkServer, type LinkServer } from "../../src/platform/control/link-server.ts";
import { createPublisher, type Publisher } from "../../src/routing/publisher.ts";
import { createShareKeeper, type ShareKeeper } from "../../src/routing/share-keeper.ts";
import { type App, type Bench, createBench, type RunningGateway, startApp, until } from "../support/gateway.ts";

const places = ["one", "two"];

interface Control {
  publisher: Publisher;
  keeper: ShareKeeper;
  link: LinkServer;
  demands: string[];
  stop(): Promise<void>;
}

let dir: string;
let benches: Bench[];
let control: Control;
const gateways: (RunningGateway | undefined)[] = [];
let runs = 0;
const later: (() => unknown)[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-shares-"));
  benches = await Promise.all(places.map(() => createBench()));
  control = await startControl([]);
  control.publisher.start();
  await Promise.all(places.map((_, i) => startGateway(i)));
});
afterEach(async () => {
  for (const close of later.splice(0).toReversed()) await close();
});
afterAll(async () => {
  await control.stop();
  for (const bench of benches) await bench.close();
  await rm(dir, { recursive: true, force: true });
});

/** What leads on a cluster, less Kubernetes: a place has no gateway any more once the test has ended its process. */
async function startControl(before: readonly string[]): Promise<Control> {
  const clock = systemClock;
  const publisher = createPublisher({ clock, log: silentLog, startVersion: Date.now() + 1_000_000 * ++runs });
  const keeper = createShareKeeper({
    clock,
    log: silentLog,
    publisher,
    before: new Set(before),
    places: () => Promise.resolve(new Set(places.filter((_, i) => gateways[i] !== undefined))),
    onStuck: () => {},
  });
  const demands: string[] = [];
  const link = await createLinkServer({
    path: join(dir, "link.sock"),
    elsewhere: true,
    publisher,
    shares: keeper,
    clock,
    log: silentLog,
    onHung: () => {},
    onDemand: (demand) => demands.push(demand.revision),
    onLoad: (report, gateway) => keeper.load(gateway, report.revisions),
    onOutcomes: () => {},
    onSeen: () => {},
  });
  return {
    publisher,
    keeper,
    link,
    demands,
    async stop() {
      keeper.stop();
      await link.close();
    },
  };
}

async function startGateway(i: number): Promise<RunningGateway> {
  const place = places[i] ?? "";
  const bench = benches[i];
  if (bench === undefined) throw new Error("No such gateway");
  const gateway = await bench.start({ link: join(dir, "link.sock"), shares: { place } });
  gateways[i] = gateway;
  return gateway;
}

async function kill(i: number): Promise<void> {
  const gateway = gateways[i];
  gateway?.process.kill("SIGKILL");
  await gateway?.exited;
  gateways[i] = undefined;
}

/** An app that counts how many requests it works on at once; a request that is broken off is work that has ended. */
async function startBusyApp(id: string, ms: number): Promise<{ app: App; busy: { now: number; most: number } }> {
  const busy = { now: 0, most: 0 };
  const app = await startApp(id, (req, res) => {
    busy.now += 1;
    busy.most = Math.max(busy.most, busy.now);
    res.on("close", () => (busy.now -= 1));
    req.resume();
    setTimeout(() => res.end("ok"), ms);
  });
  later.push(() => app.close());
  return { app, busy };
}

/** A Revision with these instances, and a Route that leads to it from `NAME.example.com`. Returns the table's version that has them. */
function declare(name: string, apps: App[], concurrency: number): number {
  const { publisher } = control;
  const revision = `x/${name}`;
  publisher.setRevision({ revision, configuration: "x/app", protocol: "http1", concurrency, timeoutMs: 60_000 });
  publisher.setInstances(revision, { instances: apps.map(({ instance }) => instance) });
  const targets = [{ revision: name, percent: 100 }];
  return publisher.assign({ route: revision, hosts: [`${name}.example.com`], targets, named: [] });
}

/** Waits until both gateways have this version of the table. */
async function served(version: number): Promise<void> {
  const { publisher } = control;
  await until(() => publisher.members().length === places.length && publisher.confirmed(version));
}

/** A request to a gateway for `NAME.example.com`; resolves with its status. */
function send(i: number, name: string, agent?: http.Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { host: `${name}.example.com` };
    const options = { host: "127.0.0.1", port: benches[i]?.port, headers, ...(agent && { agent }) };
    const req = http.get(options, (res) => {
      res.resume();
      res.on("error", reject);
      res.on("end", () => resolve(res.statusCode ?? 0));
    });
    req.on("error", reject);
  });
}

/** Clients of one gateway, each with one request after the other. Resolves with how many got which status. */
async function clients(
  i: number,
  name: string,
  { count, requests }: { count: number; requests: number },
): Promise<Record<string, number>> {
  const got: Record<string, number> = {};
  const all = Array.from({ length: count }, async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; n < requests; n++) {
      const status = await send(i, name, agent).catch(() => "broken off");
      got[status] = (got[status] ?? 0) + 1;
    }
    agent.destroy();
  });
  await Promise.all(all);
  return got;
}

/** Sends to one gateway alone until it has all slots. */
async function useAll(name: string, busy: { most: number }, limit: number): Promise<void> {
  const end = Date.now() + 30_000;
  for (busy.most = 0; busy.most < limit && Date.now() < end;) {
    expect(await clients(0, name, { count: 10, requests: 5 })).toEqual({ 200: 50 });
  }
  expect(busy.most).toBe(limit);
}

test.each([1, 3])(
  "an instance that takes %i at once never has more from two gateways together, and every request is answered",
  async (limit) => {
    const { app, busy } = await startBusyApp(`limit-${limit}`, 2);
    await served(declare(app.id, [app], limit));
    const load = { count: 20, requests: 10 };
    expect(await Promise.all([0, 1].map((i) => clients(i, app.id, load)))).toEqual([{ 200: 200 }, { 200: 200 }]);
    expect(busy.most).toBe(limit);
    await useAll(app.id, busy, limit);
  },
);

test("requests that wait at several gateways for a Revision without instances are one demand, and all are served by what comes", async () => {
  await served(declare("zero", [], 1));
  const waiting = [0, 1].map((i) => clients(i, "zero", { count: 3, requests: 1 }));
  await until(() => control.demands.length >= 2);
  expect(new Set(control.demands)).toEqual(new Set(["x/zero"]));
  const { app, busy } = await startBusyApp("zero", 5);
  declare("zero", [app], 1);
  expect(await Promise.all(waiting)).toEqual([{ 200: 3 }, { 200: 3 }]);
  expect(busy.most).toBe(1);
});

test("a split is confirmed once every gateway has it, and is exact at each", async () => {
  const counts = { a: 0, b: 0 };
  const { publisher } = control;
  for (const id of ["a", "b"] as const) {
    const app = await startApp(id, (_req, res) => {
      counts[id] += 1;
      res.end(id);
    });
    later.push(() => app.close());
    const revision = `x/${id}`;
    publisher.setRevision({ revision, configuration: "x/app", protocol: "http1", concurrency: 0, timeoutMs: 0 });
    publisher.setInstances(revision, { instances: [app.instance] });
  }
  const split = (a: number) => ({
    route: "x/split",
    hosts: ["split.example.com"],
    targets: Object.entries({ a, b: 100 - a }).map(([revision, percent]) => ({ revision, percent })),
    named: [],
  });
  await served(publisher.assign(split(90)));
  gateways[1]?.process.kill("SIGSTOP");
  const version = publisher.assign(split(30));
  await until(() => publisher.members().some(({ serving }) => serving >= version));
  expect(publisher.confirmed(version)).toBe(false);
  gateways[1]?.process.kill("SIGCONT");
  await until(() => publisher.confirmed(version));
  for (const i of [0, 1]) {
    Object.assign(counts, { a: 0, b: 0 });
    expect(await clients(i, "split", { count: 4, requests: 25 })).toEqual({ 200: 100 });
    expect(counts).toEqual({ a: 30, b: 70 });
  }
});

test("a gateway that is killed under load leaves its slot to the other, and gets its turn again when it comes back", async () => {
  const { app, busy } = await startBusyApp("killed", 2);
  await served(declare(app.id, [app], 1));
  const unharmed = clients(1, app.id, { count: 10, requests: 30 });
  const cut = clients(0, app.id, { count: 10, requests: 10 });
  await until(
    () =>
      control.keeper
        .book()
        .get(gateways[0]?.ready.id ?? "")
        ?.has(app.id) === true,
  );
  await kill(0);
  expect(await unharmed).toEqual({ 200: 300 });
  await startGateway(0);
  // Those that came meanwhile have waited in the socket.
  const { 200: answered = 0, "broken off": broken = 0 } = await cut;
  expect([answered + broken, broken <= 10]).toEqual([100, true]);
  const load = { count: 10, requests: 10 };
  expect(await Promise.all([0, 1].map((i) => clients(i, app.id, load)))).toEqual([{ 200: 100 }, { 200: 100 }]);
  expect(busy.most).toBe(1);
});

test("without control gateways serve on with the slots that they have; the next control learns them, and moves them again", async () => {
  const { app, busy } = await startBusyApp("away", 5);
  await served(declare(app.id, [app], 3));
  await until(() => [...control.keeper.book().values()].every((held) => held.has(app.id)));
  await control.stop();
  const load = { count: 5, requests: 10 };
  expect(await Promise.all([0, 1].map((i) => clients(i, app.id, load)))).toEqual([{ 200: 50 }, { 200: 50 }]);
  const long = [0, 1].map((i) => clients(i, app.id, { count: 10, requests: 40 }));
  control = await startControl([app.id]);
  const version = declare(app.id, [app], 3);
  control.publisher.start();
  expect(await Promise.all(long)).toEqual([{ 200: 400 }, { 200: 400 }]);
  expect(busy.most).toBe(3);
  await served(version);
  await useAll(app.id, busy, 3);
});
