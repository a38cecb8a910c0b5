/**
 * How long building the Node.js example takes, from `elafros deploy` until its Build has succeeded, in turns with `buildah bud` of the same Dockerfile by hand, with a
 * storage of its own on the same base images, its result written as an OCI layout: first build (everything is installed), second build (only the source has changed).
 * The difference is Elafros' own part: packing, upload, queue, containers of the steps, checking and storing the image (promise: below 1 s).
 *
 * usage: npm run bench -- build [--rounds N]
 */
import { execFile } from "node:child_process";
import { appendFile, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { budArgs } from "../src/runtime/builder/build.ts";
import { parseOptions } from "../src/runtime/builder/options.ts";
import { planners } from "../src/runtime/builder/plans.ts";
import { workspaceView } from "../src/runtime/builder/workspace.ts";
import { storageConf } from "../src/runtime/oci/storage-config.ts";
import type { TestPlatform } from "../test/support/platform.ts";
import { standIns, startBuildingPlatform } from "../test/support/stand-ins.ts";
import { quantile, summary } from "./support.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const rounds = Number(values.rounds);
const run = promisify(execFile);
const example = resolve(import.meta.dirname, "../examples/express");
const builds = "/apis/build.dev/v1alpha1/namespaces/default/builds";

const { images, bases } = await standIns();
const platform = await startBuildingPlatform();
const at = await mkdtemp(join(tmpdir(), "elafros-bench-build-"));
try {
  await measure(platform);
} finally {
  await platform.purge();
  await rm(at, { recursive: true, force: true });
}

async function measure(platform: TestPlatform): Promise<void> {
  const times = {
    first: { ours: [] as number[], hand: [] as number[] },
    second: { ours: [] as number[], hand: [] as number[] },
  };
  const finished = await watchBuilds(platform);
  for (let round = 1; round <= rounds; round += 1) {
    const ours = await copyExample(`ours-${round}`);
    const hand = await copyExample(`hand-${round}`);
    const build = await byHand(hand, round);
    for (const which of ["first", "second"] as const) {
      if (which === "second")
        for (const folder of [ours, hand]) await appendFile(join(folder, "server.js"), "\n// changed\n");
      times[which].hand.push(await build());
      times[which].ours.push(await deploy(ours, `bench-${round}`, finished));
    }
  }
  finished.stop();
  for (const [which, { ours, hand }] of Object.entries(times)) {
    const own = quantile(ours, 0.5) - quantile(hand, 0.5);
    console.log(`${which} build, by hand:     ${summary(hand)}`);
    console.log(
      `${which} build, by Elafros:  ${summary(ours)}: own part ${own.toFixed(0)} ms at p50 (promise < 1000 ms)`,
    );
  }
}

async function copyExample(name: string): Promise<string> {
  const folder = join(at, name);
  await cp(example, folder, { recursive: true });
  return folder;
}

interface Finished {
  /** Resolves when the next Build has succeeded. */
  next(): Promise<void>;
  stop(): void;
}

async function watchBuilds(platform: TestPlatform): Promise<Finished> {
  const seen = new Set<string>();
  let wake: (() => void) | undefined;
  const watch = await platform.watch(builds, (object) => {
    const { metadata, status } = object as {
      metadata?: { name?: string };
      status?: { conditions?: { status: string; message?: string }[] };
    };
    const [condition] = status?.conditions ?? [];
    if (condition?.status === "False") throw new Error(`The build failed: ${condition.message}`);
    const name = metadata?.name ?? "";
    if (condition?.status !== "True" || seen.has(name)) return;
    seen.add(name);
    wake?.();
  });
  return { next: () => new Promise((resolve) => (wake = resolve)), stop: () => watch.stop() };
}

/** Milliseconds from the command until its Build has succeeded; the Revision's start isn't the build's. */
async function deploy(folder: string, service: string, finished: Finished): Promise<number> {
  const done = finished.next();
  const began = performance.now();
  const deployed = platform.elafros(["deploy", "--service", service], { cwd: folder });
  await Promise.race([done, failure(deployed)]);
  const took = performance.now() - began;
  await deployed;
  return took;
}

async function failure(deployed: ReturnType<TestPlatform["elafros"]>): Promise<void> {
  const { code, stdout, stderr } = await deployed;
  if (code !== 0) throw new Error(`The deploy failed: ${stdout}${stderr}`);
}

/** What builds the folder by hand, with a storage of its own; it gives the milliseconds that it took. */
async function byHand(folder: string, round: number): Promise<() => Promise<number>> {
  const own = join(at, `own-${round}`);
  const temporary = join(own, "tmp");
  await mkdir(temporary, { recursive: true });
  const config = join(own, "storage.conf");
  const store = { graphRoot: join(own, "storage"), runRoot: join(own, "run") };
  await writeFile(config, storageConf(store, "overlay", [bases]));
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: config, TMPDIR: temporary };
  const bases_ = [`--build-base=${images["node-build"]}`, `--run-base=${images["node-run"]}`];
  const options = parseOptions(["nodejs", "--image=localhost/bench", ...bases_, `--workspace=${folder}`]);
  return async () => {
    const files = await mkdtemp(join(own, "files-"));
    const plan = await planners.nodejs(await workspaceView(folder), options);
    const args = await budArgs(plan, { own: files, directory: folder, idFile: join(files, "id"), labels: {} });
    const began = performance.now();
    await run("buildah", [...args.slice(0, 1), "--tag=localhost/bench", ...args.slice(1)], { env, maxBuffer: 1 << 26 });
    await run("buildah", ["push", "localhost/bench", `oci:${join(files, "image")}:latest`], { env });
    return performance.now() - began;
  };
}
