/**
 * 1,000 services with 10,000 Revisions, from the API on: their objects are stored and reconciled by the real API service (admission, SQLite store),
 * controllers, autoscaler, publisher and link, and served by a real gateway process. Only what stands behind the ports is played: instances are ready at
 * once, all at the address of one app in this process, builds and images succeed. Measured is a PATCH of a Route until the gateway has confirmed it and
 * until `status.traffic` says so; how long control's loop is held meanwhile; and the memory of this process (control and what measures it) and of the gateway.
 * HTTPS of the API server, the supervisor and the driver aren't in it. What the link alone costs: many-link.ts.
 *
 * usage: npm run bench -- many [--services N] [--revisions N] [--rounds N]
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createBench, startApp } from "../test/support/gateway.ts";
import { eventually } from "../test/support/platform.ts";
import { playBuilds } from "../test/support/played-builds.ts";
import { playReadyWorkloads } from "../test/support/ready-workloads.ts";
import { controllerGroup } from "../src/apiserver/service-ownership.ts";
import { allKinds } from "../src/api/kinds.ts";
import { Configuration } from "../src/api/configuration.ts";
import { Revision } from "../src/api/revision.ts";
import { Route } from "../src/api/route.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLog } from "../src/lib/log.ts";
import type { ImagesPort } from "../src/runtime/images.ts";
import type * as authorizerModule from "../src/apiserver/authorizer.ts";
import type * as housekeepingModule from "../src/apiserver/housekeeping.ts";
import type * as serviceModule from "../src/apiserver/service.ts";
import type * as autoscalerModule from "../src/autoscaler/autoscaler.ts";
import type * as clientModule from "../src/client/in-process.ts";
import type * as linkModule from "../src/platform/control/link-server.ts";
import type * as trafficModule from "../src/platform/control/traffic.ts";
import type * as controllersModule from "../src/reconcilers/start.ts";
import type * as guardModule from "../src/routing/guard-counts.ts";
import type * as publisherModule from "../src/routing/publisher.ts";
import type * as storeModule from "../src/store/open.ts";
import { summary } from "./support.ts";

const { values } = parseArgs({
  options: {
    services: { type: "string", default: "1000" },
    revisions: { type: "string", default: "10" },
    rounds: { type: "string", default: "40" },
  },
});
const [services, revisions, rounds] = [values.services, values.revisions, values.rounds].map(Number) as [
  number,
  number,
  number,
];
/** Writes at once while the objects are made. */
const writers = 16;
const namespace = "default";

/** A part of the compiled build where `npm run bench` asks for it: that is what is shipped. */
const compiled = process.env["ELAFROS_COMPILED"] === "1";
const from = async <T>(path: string): Promise<T> =>
  (await import(compiled ? `../dist/${path}.js` : `../src/${path}.ts`)) as T;
const [store, { createAuthorizer }, { createApiService }, { startHousekeeping }, { inProcessClient }] =
  await Promise.all([
    from<typeof storeModule>("store/open"),
    from<typeof authorizerModule>("apiserver/authorizer"),
    from<typeof serviceModule>("apiserver/service"),
    from<typeof housekeepingModule>("apiserver/housekeeping"),
    from<typeof clientModule>("client/in-process"),
  ]);
const [{ createAutoscaler }, { createLinkServer }, { connectWorkloads }, { startControllers }, guards, publishing] =
  await Promise.all([
    from<typeof autoscalerModule>("autoscaler/autoscaler"),
    from<typeof linkModule>("platform/control/link-server"),
    from<typeof trafficModule>("platform/control/traffic"),
    from<typeof controllersModule>("reconcilers/start"),
    from<typeof guardModule>("routing/guard-counts"),
    from<typeof publisherModule>("routing/publisher"),
  ]);

process.env["ELAFROS_LOG"] ??= "error";
const [clock, log] = [systemClock, silentLog];
const dir = await mkdtemp(join(tmpdir(), "elafros-bench-many-"));
const bench = await createBench();
const app = await startApp("one");
const digest = `sha256:${"0".repeat(64)}`;
const images: ImagesPort = {
  resolve: (reference) => Promise.resolve(`${reference.replace(/:[^:/]*$/, "")}@${digest}`),
  pull: () => Promise.resolve(),
};

const stored = await store.openStore({ path: join(dir, "store.db"), log, clock });
const authorizer = createAuthorizer({ kinds: allKinds, clock, log });
const { authorize, admit } = authorizer;
const service = createApiService({ store: stored, kinds: allKinds, clock, log, authorize, admit });
const housekeeping = await startHousekeeping({ store: stored, kinds: allKinds, clock, log });
await authorizer.start(service);
const publisher = publishing.createPublisher({ clock, log, startVersion: 1 });
const workloads = playReadyWorkloads(app.instance);
const disconnect = connectWorkloads(workloads, publisher);
const autoscaler = createAutoscaler({ workloads, clock, log, mostInstances: 20 });
const nothing = (): void => {};
const link = await createLinkServer({
  path: bench.linkPath,
  publisher,
  clock,
  log,
  onHung: nothing,
  onDemand: ({ revision }) => autoscaler.wake(revision),
  onLoad: (report) => autoscaler.report(report),
  onOutcomes: nothing,
  onSeen: nothing,
});
const client = inProcessClient(service, {
  username: "system:elafros:controller",
  groups: [controllerGroup, "system:masters"],
});
const controllers = startControllers({
  client,
  workloads,
  images,
  builds: playBuilds(clock),
  traffic: publisher,
  outcomes: guards.createGuardCounts(clock),
  scaling: autoscaler,
  clock,
  log,
  domain: "example.com",
  urlOf: (host) => `http://${host}`,
});
try {
  await controllers.synced;
  publisher.start();
  const gateway = await bench.start();
  const pids = [process.pid, gateway.process.pid ?? 0] as const;
  await make(Math.min(10, services), 0, 2);
  await measure(Math.min(10, services), pids);
  await make(services, Math.min(10, services), 2);
  await make(services, 0, revisions, 3);
  await measure(services, pids);
} finally {
  await controllers.stop();
  await link.close();
  disconnect();
  await app.close();
  await bench.close();
  authorizer.stop();
  await housekeeping.stop();
  await stored.close();
  await rm(dir, { recursive: true });
}

/** Stores the services from `first` on, their Routes on the first two Revisions, and makes Revisions up to `last`. */
async function make(count: number, first: number, last: number, next = 1): Promise<void> {
  for (let generation = next; generation <= last; generation += 1) {
    await inParallel(first, count, async (service) => {
      const name = nameOf(service);
      const container = { image: `localhost/app@${digest}`, env: [{ name: "GENERATION", value: String(generation) }] };
      const spec = { revisionTemplate: { spec: { container } } };
      if (generation === 1) {
        await client.create(Configuration, object("Configuration", name, spec) as Configuration);
      } else await client.patch(Configuration, { namespace, name }, { type: "merge", body: { spec } });
      await eventually(
        `${revisionOf(service, generation)} is there`,
        async () => {
          const { status } = await client.get(Configuration, { namespace, name });
          return status?.latestCreatedRevisionName === revisionOf(service, generation);
        },
        { timeoutMs: 120_000 },
      );
    });
  }
  if (next > 1) return;
  await inParallel(first, count, async (service) => {
    const spec = { rollout: { traffic: trafficOf(service, 100) } };
    await client.create(Route, object("Route", nameOf(service), spec) as Route);
  });
  await Promise.all(Array.from({ length: count - first }, (_, i) => served(first + i, 100)));
}

/** Prints what a PATCH of the last Route takes, how long the loop is held meanwhile, and what is in memory. */
async function measure(count: number, pids: readonly [number, number]): Promise<void> {
  const [confirmed, told, holds]: [number[], number[], number[]] = [[], [], []];
  const service = count - 1;
  const host = `${nameOf(service)}.${namespace}.example.com`;
  for (let round = 0; round < rounds; round += 1) {
    await sleep(200);
    const percent = round % 2 === 0 ? 90 : 80;
    const gatewayHasIt = whenConfirmed(host, percent);
    const statusSays = served(service, percent);
    const lag = monitorEventLoopDelay({ resolution: 1 });
    lag.enable();
    const startedAt = performance.now();
    const body = { spec: { rollout: { traffic: trafficOf(service, percent) } } };
    await client.patch(Route, { namespace, name: nameOf(service) }, { type: "merge", body });
    await Promise.all([
      gatewayHasIt.then(() => confirmed.push(performance.now() - startedAt)),
      statusSays.then(() => told.push(performance.now() - startedAt)),
    ]);
    lag.disable();
    holds.push(lag.max / 1e6);
  }
  const { items } = await client.list(Revision, { namespace });
  console.log(`\n${count} services with ${items.length} Revisions:`);
  console.log(`  PATCH of a Route until the gateway confirms it   ${summary(confirmed)}`);
  console.log(`  PATCH of a Route until status.traffic says it    ${summary(told)}`);
  console.log(`  longest hold of control's loop meanwhile         ${summary(holds)}`);
  await sleep(5_000);
  const [control, gateway] = await Promise.all(pids.map(pssOf));
  console.log(`  PSS: control and this benchmark ${control} MiB, gateway ${gateway} MiB`);
}

/** Resolves once every gateway has confirmed the table in which the host's first target has the percent. To be called before it is published. */
function whenConfirmed(host: string, percent: number): Promise<void> {
  return new Promise((resolve) => {
    let version: number | undefined;
    const unfollow = publisher.follow(({ hosts }, published) => {
      if (hosts.get(host)?.targets[0]?.percent === percent) version = published;
    });
    const unsubscribe = publisher.subscribe(() => {
      if (version === undefined || !publisher.confirmed(version)) return;
      unfollow();
      unsubscribe();
      resolve();
    });
  });
}

/** Resolves once the status says that the Route's first target has the percent. */
async function served(service: number, percent: number): Promise<void> {
  const name = nameOf(service);
  const says = ({ status }: Route): boolean => status?.traffic?.[0]?.percent === percent;
  const end = new AbortController();
  const { metadata } = await client.list(Route, { namespace, fieldSelector: `metadata.name=${name}` });
  if (says(await client.get(Route, { namespace, name }))) return;
  const watched = client.watch(Route, {
    namespace,
    fieldSelector: `metadata.name=${name}`,
    resourceVersion: metadata.resourceVersion,
    signal: end.signal,
  });
  for await (const event of watched) {
    if (event.type !== "MODIFIED" || !says(event.object)) continue;
    end.abort();
    return;
  }
}

async function inParallel(first: number, end: number, each: (service: number) => Promise<void>): Promise<void> {
  let next = first;
  const work = async (): Promise<void> => {
    while (next < end) await each(next++);
  };
  await Promise.all(Array.from({ length: writers }, work));
}

function object(kind: string, name: string, spec: object): object {
  return { apiVersion: "elafros.dev/v1alpha1", kind, metadata: { name, namespace }, spec };
}

function trafficOf(service: number, percent: number): object[] {
  return [
    { revisionName: revisionOf(service, 1), percent },
    { revisionName: revisionOf(service, 2), percent: 100 - percent },
  ];
}

function nameOf(service: number): string {
  return `service-${service}`;
}

function revisionOf(service: number, generation: number): string {
  return `${nameOf(service)}-${String(generation).padStart(5, "0")}`;
}

async function pssOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  return (Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1]) / 1024).toFixed(1);
}
