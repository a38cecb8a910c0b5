/** A bare `runc run` of the bundle of an instance that runs, for comparison: the same process, confinement and control group, nothing of ours around it. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { OciConfig } from "../src/runtime/oci/bundle.ts";
import { freePort } from "../test/support/platform.ts";

const run = promisify(execFile);

export interface Bare {
  /** Starts it, and gives the milliseconds until its first answer; it is ended again. */
  start(): Promise<number>;
  close(): Promise<void>;
}

/**
 * Prepares it from the instance `id` of the platform in `dataDir`. `root` is a directory with the image's content: it is the lower part of an overlay
 * that is mounted here, before. It has the machine's network: what a place in the bridge costs is paid before in the platform too.
 */
export async function prepareBare(options: { dataDir: string; id: string; root: string }): Promise<Bare> {
  const { dataDir, id, root } = options;
  const memory = join(dataDir, "run/oci/mem/i", id);
  const at = await mkdtemp(join(tmpdir(), "elafros-bare-"));
  const name = `elafros-bare-${process.pid}`;
  const state = join(at, "state");
  const port = await freePort();
  for (const directory of ["root", "upper", "work"]) await mkdir(join(at, directory));
  const bundle = JSON.parse(await readFile(join(memory, "bundle/config.json"), "utf8")) as OciConfig;
  await cp(join(memory, "etc"), join(at, "etc"), { recursive: true });
  await writeFile(join(at, "termination"), "");
  const overlay = `lowerdir=${root},upperdir=${join(at, "upper")},workdir=${join(at, "work")}`;
  await run("mount", ["-t", "overlay", "overlay", "-o", overlay, join(at, "root")]);
  bundle.root.path = join(at, "root");
  bundle.mounts = bundle.mounts.filter((mount) => mount.destination !== "/");
  for (const mount of bundle.mounts) {
    mount.source = mount.source.replace(memory, at).replace(join(dataDir, "instances", id), at);
  }
  bundle.linux.cgroupsPath = `/${name}`;
  bundle.linux.namespaces = bundle.linux.namespaces.filter(({ type }) => type !== "network");
  bundle.linux.sysctl = {} as typeof bundle.linux.sysctl;
  bundle.process.env = bundle.process.env.map((one) => (one.startsWith("PORT=") ? `PORT=${port}` : one));
  await writeFile(join(at, "config.json"), JSON.stringify(bundle));
  return {
    async start() {
      const began = performance.now();
      const ended = run("runc", ["--root", state, "run", "--bundle", at, name]).catch(() => {});
      await answers(port);
      const took = performance.now() - began;
      await run("runc", ["--root", state, "kill", name, "KILL"]);
      await ended;
      return took;
    },
    async close() {
      await run("runc", ["--root", state, "delete", "--force", name]).catch(() => {});
      await run("umount", [join(at, "root")]);
      await rm(at, { recursive: true, force: true });
    },
  };
}

/** Asks each millisecond until there is an answer. */
async function answers(port: number): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(1)) {
    const ok = await new Promise<boolean>((resolve) => {
      const asking = get({ host: "127.0.0.1", port, path: "/", agent: false, timeout: 100 }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode === 200));
      });
      asking.on("timeout", () => asking.destroy());
      asking.on("error", () => resolve(false));
    });
    if (ok) return;
  }
  throw new Error("The bare container doesn't answer");
}
