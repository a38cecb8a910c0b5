/**
 * A soak: the real controllers, in processes of their own, on a simulated cluster whose users, nodes and API server give them no rest. What
 * chance does comes from a seed. Everything has to come about again afterwards, and nothing may be left.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Namespace } from "../../../src/api/namespace.ts";
import { Secret } from "../../../src/api/secret.ts";
import { httpClient } from "../../../src/client/http.ts";
import { defaultInstall, leaderLease } from "../../../src/kubernetes/manifests/names.ts";
import { installOnCluster } from "../../../src/platform/cluster/installation.ts";
import { startCluster } from "../cluster/cluster.ts";
import { systemContext } from "../cluster/controllers/tools.ts";
import { runGateway } from "../cluster/elafros.ts";
import { freePort } from "../platform.ts";
import { between, type Calls, countCalls } from "./calls.ts";
import { type ChangeName, changes, type Scene } from "./changes.ts";
import { Controllers, type Memory } from "./controllers.ts";
import { problems } from "./converged.ts";
import { onePlayedGateway } from "./gateway-pod.ts";
import { seeded } from "./random.ts";
import { createService, deleteService, registrySecret, type SoakService } from "./services.ts";
import { troubles } from "./trouble.ts";

export interface SoakOptions {
  seed: number;
  nodes: number;
  services: number;
  namespaces: number;
  /** Of the trouble, in milliseconds. */
  troubleMs: number;
  /** Between two changes, in milliseconds. */
  changeMs: number;
  /** Between two faults. */
  faultMs: number;
  /** When, from the start of the trouble, the controller that leads ends, and how. */
  ends: readonly { atMs: number; signal: "SIGTERM" | "SIGKILL" }[];
  /** When nodes are drained. */
  drainsAtMs: readonly number[];
  /** When all watches fall silent, which takes 150 s to be noticed. */
  silentAtMs?: number;
  /** How long nothing happens, to count what is asked nevertheless. */
  idleMs: number;
  /** How long nothing is asked for until what was begun counts as ended. */
  calmMs: number;
  /** Of each of these kinds of change as many, one after the other, to count what it takes. */
  counted: Partial<Record<ChangeName, number>>;
  /** Longest wait for everything to come about. */
  patienceMs: number;
  say: (line: string) => void;
}

export interface SoakFigures {
  fill: { seconds: number; calls: Counted };
  idle: Counted;
  /** Calls for one change. */
  perChange: Record<string, { calls: number; by: Record<string, number> }>;
  trouble: { changes: number; faults: number; leaders: number; calls: Counted };
  /** After the trouble. */
  recovery: { seconds: number };
  idleAfter: Counted;
  /** The next controller, which finds everything as it is. */
  restart: { ms: number; calls: Counted; writes: Record<string, number> };
  /** Of the one that leads, during the trouble: it grows with the Revisions that are there. */
  memory: (Memory & { atMs: number })[];
  /** Of the last one that led in the trouble, and of the next, which has read the same cluster and went through nothing. */
  held: { old: Memory; fresh: Memory };
  /** Once every service is deleted. */
  left: string[];
}

type Counted = ReturnType<typeof between>;

const domain = "soak.example.org";
/** Nothing is built in a soak. */
const images = { image: "localhost/elafros:test", tools: "localhost/elafros-tools:test" };
const steps = { start: () => {}, done: () => {} };
const lookAgainMs = 500;
const lookShare = 10;

export async function soak(options: SoakOptions): Promise<SoakFigures> {
  const { say, seed } = options;
  const random = seeded(seed);
  const counter = countCalls();
  await using ends = new AsyncDisposableStack();
  const cluster = await startCluster({ nodes: options.nodes, cpu: "1000", onRequest: counter.count });
  ends.defer(() => cluster.stop());
  const client = httpClient(cluster.connection);
  await installOnCluster({ client, options: { domain }, steps, wait: false });
  const directory = await mkdtemp(join(tmpdir(), "elafros-soak-"));
  ends.defer(() => rm(directory, { recursive: true }));
  const kubeconfig = join(directory, "kubeconfig");
  await cluster.kubeconfig(kubeconfig);
  const { namespace } = defaultInstall;
  const linkPort = await freePort();
  const controllers = new Controllers({ kubeconfig, domain, namespace, images, lease: leaderLease, linkPort });
  ends.defer(() => controllers.stop());
  controllers.start(2);
  await controllers.leading();
  // The controllers ask where gateways run as long as one isn't heard: each that the cluster has is one that says hello.
  const id = await onePlayedGateway(cluster);
  const gateway = await runGateway(client, { linkPort, directory, id });
  ends.defer(async () => {
    gateway.drain();
    await gateway.ended;
  });
  client.close();

  const services = makeServices(options);
  const scene: Scene = { cluster, services, random, nodes: options.nodes };
  const settled = async (wanted: readonly SoakService[], what: string): Promise<number> => {
    const began = performance.now();
    for (;;) {
      const looked = performance.now();
      const found = await problems(cluster.service, wanted);
      if (found.length === 0) return (performance.now() - began) / 1000;
      if (performance.now() - began > options.patienceMs) {
        throw new Error(`${what}: ${found.length} problems (seed ${seed}):\n${found.slice(0, 20).join("\n")}`);
      }
      // Looking takes processor time from what is looked at.
      await sleep(Math.max(lookAgainMs, lookShare * (performance.now() - looked)));
    }
  };
  const counted = async (work: () => Promise<unknown>): Promise<Counted> => {
    const before: Calls = counter.now();
    await work();
    return between(before, counter.now());
  };
  /** Nothing is asked for any more: what was begun has ended. */
  const calm = async (): Promise<void> => {
    const end = performance.now() + options.patienceMs;
    for (;;) {
      const { total, by } = await counted(() => sleep(options.calmMs));
      if (total === 0) return;
      if (performance.now() > end)
        throw new Error(`The controllers find no rest: ${JSON.stringify(by)} (seed ${seed})`);
    }
  };

  await prepareNamespaces(cluster, options.namespaces);
  let seconds = 0;
  const filled = await counted(async () => {
    const began = performance.now();
    for (const service of services) await createService(cluster.service, service);
    await settled(services, "the first deployment");
    seconds = (performance.now() - began) / 1000;
    await calm();
  });
  say(`${services.length} services came about in ${seconds.toFixed(1)} s with ${filled.total} calls`);

  const idle = await counted(() => sleep(options.idleMs));
  say(`${options.idleMs / 1000} s idle: ${idle.total} calls, ${idle.leases} of leases`);

  const perChange: SoakFigures["perChange"] = {};
  for (const [name, times] of Object.entries(options.counted) as [ChangeName, number][]) {
    for (let led = -1; led !== controllers.led;) {
      // Counted anew where another controller has begun to lead meanwhile: on a machine without a processor to spare a lease may run out.
      led = controllers.led;
      const { total, by } = await counted(async () => {
        for (let number = 0; number < times; number += 1) {
          await changes[name](scene);
          await settled(services, name);
        }
        await calm();
      });
      perChange[name] = { calls: total / times, by };
    }
    say(`${name}: ${perChange[name]?.calls.toFixed(1)} calls each: ${JSON.stringify(perChange[name]?.by)}`);
  }

  const done = { changes: 0, faults: 0 };
  const memory: SoakFigures["memory"] = [];
  const led = controllers.led;
  const trouble = await counted(() => makeTrouble(options, { scene, cluster, controllers, done, memory }));
  const ledMeanwhile = controllers.led - led;
  cluster.faults.clear();
  const recovery = await settled(services, "after the trouble");
  say(`${JSON.stringify(done)}: all came about again ${recovery.toFixed(1)} s later, with ${trouble.total} calls`);
  await calm();
  const idleAfter = await counted(() => sleep(options.idleMs));

  const old = await held(controllers);
  let restartMs = 0;
  const restarted = await counted(async () => {
    restartMs = await controllers.replace("SIGTERM");
    await calm();
  });
  const fresh = await held(controllers);
  say(
    `another leads after ${Math.round(restartMs)} ms, with ${restarted.total} calls: ${JSON.stringify(restarted.by)}`,
  );

  for (const service of services) await deleteService(cluster.service, service);
  await settled([], "after everything was deleted").catch(() => {});
  const left = await problems(cluster.service, []);
  return {
    fill: { seconds, calls: filled },
    idle,
    perChange,
    trouble: { ...done, leaders: ledMeanwhile, calls: trouble },
    recovery: { seconds: recovery },
    idleAfter,
    restart: { ms: restartMs, calls: restarted, writes: writesOf(restarted) },
    memory,
    held: { old, fresh },
    left,
  };
}

/** What the controller that leads holds; another's where that one ends meanwhile. */
async function held(controllers: Controllers): Promise<Memory> {
  for (;;) {
    await controllers.leading();
    const memory = await controllers.memory().catch(() => undefined);
    if (memory !== undefined) return memory;
  }
}

function writesOf({ by }: Counted): Record<string, number> {
  const reads = /^(?:GET|WATCH|POST tokenreviews)/u;
  return Object.fromEntries(Object.entries(by).filter(([name]) => !reads.test(name)));
}

/** Five instances each on the average; one of ten is pulled with credentials. */
function makeServices({ services, namespaces }: SoakOptions): SoakService[] {
  return Array.from({ length: services }, (_, number) => ({
    namespace: `soak-${number % namespaces}`,
    name: `app-${number}`,
    version: 1,
    instances: 3 + (number % 5),
    private: number % 10 === 0,
  }));
}

async function prepareNamespaces({ service }: Scene["cluster"], count: number): Promise<void> {
  const auths = { "registry.example": { username: "soak", password: "secret", auth: "c29hazpzZWNyZXQ=" } };
  const data = { ".dockerconfigjson": Buffer.from(JSON.stringify({ auths })).toString("base64") };
  for (let number = 0; number < count; number += 1) {
    const namespace = `soak-${number}`;
    const metadata = { name: namespace };
    await service.create(systemContext(), { kind: Namespace }, { apiVersion: "v1", kind: "Namespace", metadata });
    const secret = { apiVersion: "v1", kind: "Secret", type: "kubernetes.io/dockerconfigjson", data };
    const target = { kind: Secret, namespace };
    await service.create(systemContext(), target, { ...secret, metadata: { name: registrySecret, namespace } });
  }
}

interface Bench {
  scene: Scene;
  cluster: Awaited<ReturnType<typeof startCluster>>;
  controllers: Controllers;
  done: { changes: number; faults: number };
  memory: SoakFigures["memory"];
}

const memoryEveryMs = 15_000;

async function makeTrouble(options: SoakOptions, bench: Bench): Promise<void> {
  const { scene, cluster, controllers, done, memory } = bench;
  const { random } = scene;
  const began = performance.now();
  const passed = () => performance.now() - began;
  const until = async (everyMs: number, work: () => unknown) => {
    while (passed() < options.troubleMs) {
      await work();
      await sleep(everyMs);
    }
  };
  const at = async (ms: number, work: () => unknown) => {
    await sleep(Math.max(0, ms - passed()));
    await work();
  };
  const usual: readonly ChangeName[] = [
    "evict",
    "evict",
    "evict",
    "evict",
    "evict",
    "revise",
    "revise",
    "tamper",
    "recreate",
  ];
  await Promise.all([
    until(options.changeMs, async () => {
      await changes[random.pick(usual) ?? "evict"](scene);
      done.changes += 1;
    }),
    until(options.faultMs, () => {
      // What nobody has met by then is over. Faults that waited for whom they meet would all be there for a controller that begins, which asks one thing at a
      // time: more would come than it can get over, and none would ever lead.
      cluster.faults.clear();
      random.pick(troubles)?.(cluster.faults, random);
      done.faults += 1;
    }),
    until(memoryEveryMs, async () => {
      const held = await controllers.memory().catch(() => undefined);
      if (held !== undefined) memory.push({ ...held, atMs: Math.round(passed()) });
    }),
    ...options.drainsAtMs.map((ms) => at(ms, () => changes.drain(scene))),
    ...options.ends.map(({ atMs, signal }) => at(atMs, () => controllers.replace(signal))),
    ...(options.silentAtMs === undefined ? [] : [at(options.silentAtMs, () => cluster.faults.silenceWatches())]),
  ]);
}
