/**
 * How long an instance takes to start: from the workloads port's `scale` 0→1 until it is ready, and until its first answer, against a bare `runc run` of the
 * same bundle (its root mounted, its network made before) until its first answer. Side by side in one run, in turns. Nothing is prepared for
 * the driver but network places, as in operation.
 *
 * usage: npm run bench -- start [--rounds N]
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../src/lib/clock.ts";
import { silentLog } from "../src/lib/log.ts";
import type { OciConfig } from "../src/runtime/oci/bundle.ts";
import type * as driverModule from "../src/runtime/oci/driver.ts";
import type * as launcherModule from "../src/runtime/oci/launcher.ts";
import type * as networkModule from "../src/runtime/oci/network.ts";
import { busyboxRoot } from "../test/support/busybox-root.ts";
import { instanceSpec } from "../test/support/instance-spec.ts";

type Driver = driverModule.Driver;
type Launcher = launcherModule.Launcher;
type OciNetwork = networkModule.OciNetwork;

const { values } = parseArgs({ options: { rounds: { type: "string", default: "40" } } });
const rounds = Number(values.rounds);

// The compiled build where `npm run bench` asks for it: that is what is shipped.
const compiled = process.env["ELAFROS_COMPILED"] === "1";
const from = async <T>(path: string): Promise<T> =>
  (await import(compiled ? `../dist/${path}.js` : `../src/${path}.ts`)) as T;
const { createDriver } = await from<typeof driverModule>("runtime/oci/driver");
const { createNetwork, destroyNetwork } = await from<typeof networkModule>("runtime/oci/network");
const { createLauncher } = await from<typeof launcherModule>("runtime/oci/launcher");

const dir = `/var/tmp/elafros-bench-${process.pid}`;
const runDir = join(dir, "run");
const key = { namespace: "bench", name: "start-00001" };
const spec = instanceSpec({ command: ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"], terminationGraceMs: 0 });
const bareId = `elafros-bench-bare-${process.pid}`;

await mkdir(runDir, { recursive: true });
const root = join(dir, "image");
await busyboxRoot(root);
await mkdir(join(root, "www"));
await writeFile(join(root, "www/index.html"), "hello\n");
const launcher = createLauncher();
const ports = { gatewayPorts: [], allowHostPorts: [] };
const network = await createNetwork({ dataDir: dir, runDir, launcher, log: silentLog, ...ports });
const config = { env: [], entrypoint: [], cmd: [], user: "", workingDir: "", stopSignal: "", volumes: [] };
const driver = await createDriver({
  dir: join(dir, "instances"),
  runDir,
  builds: { dir: join(dir, "builds"), bases: join(dir, "bases") },
  images: {
    resolve: async (name) => name,
    pull: async () => {},
    root: async () => ({ layers: [root], id: "image", config }),
    prune: async () => [],
    importLayout: () => Promise.reject(new Error("there are no builds here")),
    pushLayout: () => Promise.reject(new Error("there are no builds here")),
  },
  network,
  launcher,
  drain: async () => {},
  clock: systemClock,
  log: silentLog,
});
try {
  await measure(driver, network, launcher);
} finally {
  await driver.stopAll(0);
  await driver.close();
  await launcher.run(["runc", "--root", join(dir, "bare-state"), "delete", "--force", bareId]);
  await launcher.run(["umount", join(dir, "bare/root")]);
  launcher.close();
  await destroyNetwork({ dataDir: dir, runDir });
  await rm(dir, { recursive: true, force: true });
}

async function measure(driver: Driver, network: OciNetwork, launcher: Launcher): Promise<void> {
  const bare = await prepareBare(driver, network, launcher);
  const times: Record<"ready" | "answer" | "bare", number[]> = { ready: [], answer: [], bare: [] };
  const longest: number[] = [];
  for (let round = 0; round < rounds + 3; round++) {
    // A new one each time: what was between two starts would count as a delay.
    const lag = monitorEventLoopDelay({ resolution: 1 });
    lag.enable();
    const mine = await startByDriver(driver);
    lag.disable();
    await stopped(driver);
    const other = await bare();
    if (round < 3) continue; // both warm
    longest.push(lag.max / 1e6);
    times.ready.push(mine.ready);
    times.answer.push(mine.answer);
    times.bare.push(other);
    await network.settled();
  }
  const line = (name: string, list: number[]) =>
    console.log(
      `${name.padEnd(44)} p50 ${quantile(list, 0.5).toFixed(1)} ms   p95 ${quantile(list, 0.95).toFixed(1)} ms`,
    );
  console.log(`${rounds} rounds in turns, ${compiled ? "compiled build" : "sources"}, Node ${process.version}`);
  line("scale 0→1 until ready", times.ready);
  line("scale 0→1 until its first answer", times.answer);
  line("bare runc run until its first answer", times.bare);
  const ratio = (list: number[], q: number) => (quantile(list, q) / quantile(times.bare, q)).toFixed(2);
  console.log(
    `ratio until ready                            p50 ${ratio(times.ready, 0.5)}×     p95 ${ratio(times.ready, 0.95)}×`,
  );
  console.log(
    `ratio until first answer                     p50 ${ratio(times.answer, 0.5)}×     p95 ${ratio(times.answer, 0.95)}×`,
  );
  line("longest hold of the event loop in a start", longest);
}

async function startByDriver(driver: Driver): Promise<{ ready: number; answer: number }> {
  const ready = Promise.withResolvers<{ host: string; port: number }>();
  const off = driver.subscribe(() => {
    const [instance] = driver.get(key)?.instances ?? [];
    if (instance?.phase === "ready" && instance.address !== undefined) ready.resolve(instance.address);
  });
  const began = performance.now();
  driver.scale(key, spec, 1);
  const { host } = await ready.promise;
  const readyMs = performance.now() - began;
  off();
  await answers(host);
  return { ready: readyMs, answer: performance.now() - began };
}

async function stopped(driver: Driver): Promise<void> {
  driver.scale(key, spec, 0);
  while ((driver.get(key)?.instances.length ?? 0) > 0) await sleep(5);
}

/** Takes the bundle of a driver's instance, and gives what runs it barely, once each. */
async function prepareBare(driver: Driver, network: OciNetwork, launcher: Launcher): Promise<() => Promise<number>> {
  driver.scale(key, spec, 1);
  while (driver.get(key)?.instances[0]?.phase !== "ready") await sleep(5);
  const id = driver.get(key)?.instances[0]?.id ?? "";
  const bundle = JSON.parse(await readFile(join(runDir, "mem/i", id, "bundle/config.json"), "utf8")) as OciConfig;
  const at = join(dir, "bare");
  for (const name of ["root", "u", "w"]) await mkdir(join(at, name), { recursive: true });
  const etc = join(at, "etc");
  await launcher.run(["cp", "-a", join(runDir, "mem/i", id, "etc"), etc]);
  await writeFile(join(at, "termination"), "");
  await stopped(driver);
  const overlay = `lowerdir=${root},upperdir=${join(at, "u")},workdir=${join(at, "w")}`;
  await launcher.run(["mount", "-t", "overlay", "overlay", "-o", overlay, join(at, "root")]);
  const { netns, address } = await network.attach("bare");
  bundle.root.path = join(at, "root");
  bundle.mounts = bundle.mounts.filter((mount) => mount.destination !== "/"); // mounted before, not by the run
  bundle.linux.cgroupsPath = `/${bareId}`;
  for (const space of bundle.linux.namespaces) if (space.type === "network") Object.assign(space, { path: netns });
  for (const mount of bundle.mounts) {
    mount.source = mount.source.replace(join(runDir, "mem/i", id), at).replace(join(dir, "instances", id), at);
  }
  await writeFile(join(at, "config.json"), JSON.stringify(bundle));
  const state = join(dir, "bare-state");
  return async () => {
    const began = performance.now();
    const ended = launcher.run(["runc", "--root", state, "run", "--bundle", at, bareId]);
    await answers(address);
    const took = performance.now() - began;
    await launcher.run(["runc", "--root", state, "kill", bareId, "KILL"]);
    await ended;
    return took;
  };
}

/** Asks each millisecond until there is an answer. */
async function answers(host: string): Promise<void> {
  for (;;) {
    const ok = await new Promise<boolean>((resolve) => {
      const request = get({ host, port: 8080, path: "/", agent: false, timeout: 100 }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode === 200));
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve(false));
    });
    if (ok) return;
    await sleep(1);
  }
}

function quantile(list: number[], q: number): number {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}
