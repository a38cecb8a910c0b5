/** What this machine lacks: a free port, room on its disk. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, statfs, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { command, coreApi, deploy, failsToDeploy, hasCondition, hostOf, patch, serves } from "../support/failures.ts";
import { makeImages, type SampleImage } from "../support/images.ts";
import { elafros, eventually, freePort, run, startPlatform, type TestPlatform } from "../support/platform.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

const execute = promisify(execFile);
let registry: TestRegistry;
let images: Record<SampleImage, string>;

beforeAll(async () => {
  registry = await startRegistry();
  images = await makeImages(registry);
});

afterAll(async () => {
  await registry?.close();
});

test("up says which port is taken, and leaves nothing behind", async () => {
  const taken = net.createServer();
  await new Promise<void>((done) => taken.listen(0, "127.0.0.1", done));
  const { port } = taken.address() as net.AddressInfo;
  const dataDir = await mkdtemp(join(tmpdir(), "elafros-taken-"));
  try {
    const free = await freePort();
    for (const [api, http] of [
      [port, free],
      [free, port],
    ]) {
      const flags = ["--data-dir", dataDir, "--api", `127.0.0.1:${api}`, "--http", `127.0.0.1:${http}`, "--detach"];
      const result = await run(elafros, ["up", ...flags]);
      expect(result.code).toBe(1);
      expect(result.stderr).toContain(`Cannot listen on 127.0.0.1:${port}: the port is in use`);
      expect(result.stdout).toBe("");
      expect(await readdir(join(dataDir, "run"))).toEqual([]);
    }
    const { stdout } = await run("nft", ["list", "tables"]);
    expect(stdout).not.toContain(dataDir);
  } finally {
    taken.close();
    await run(elafros, ["down", "--purge", "--data-dir", dataDir]);
    await rm(dataDir, { recursive: true, force: true });
  }
});

test("down --purge empties a data directory that is a file system of its own", async () => {
  const mount = (dataDir: string) => execute("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", dataDir]);
  const { dataDir } = await startPlatform([], mount);
  try {
    const result = await run(elafros, ["down", "--purge", "--data-dir", dataDir]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toContain(`${dataDir} is empty: a file system is mounted there`);
    expect(await readdir(dataDir)).toEqual([]);
  } finally {
    await execute("umount", [dataDir]);
    await rm(dataDir, { recursive: true });
  }
});

/** Writes ever smaller objects until there is no room for the smallest; gives the names of those that were acknowledged, and the refusal. */
async function fillStore(platform: TestPlatform): Promise<{ acknowledged: string[]; refused: string }> {
  const acknowledged: string[] = [];
  let bytes = 200_000;
  for (let i = 0; i < 1_000; i += 1) {
    const name = `filler-${i}`;
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { x: "x".repeat(bytes) } };
    const answer = await platform.call("POST", `${coreApi}/configmaps`, JSON.stringify(object));
    if (answer.status === 201) acknowledged.push(name);
    else {
      expect(answer.status, answer.text).toBe(503);
      if (bytes === 0) return { acknowledged, refused: answer.text };
      bytes = bytes < 100 ? 0 : Math.floor(bytes / 4);
    }
  }
  throw new Error("The store never filled up");
}

test("a full disk: a pull says so, the store refuses writes and keeps what it acknowledged, services serve on, and all goes on once there is room", async () => {
  const mounted = await mkdtemp(join(tmpdir(), "elafros-small-"));
  await execute("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", mounted]);
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = mounted;
  let platform: TestPlatform | undefined;
  try {
    platform = await startPlatform();
    process.env["TMPDIR"] = before ?? "/tmp";
    await deploy(platform, "small", images["busybox:1"]);
    const pids = await Promise.all([platform.pid("control"), platform.pid("gateway")]);

    await failsToDeploy(platform, {
      service: "large",
      image: images["app:1"],
      reason: "InsufficientResources",
      message:
        /^There is no room for image "[^"]+": pulls leave 6\.4 MiB of the file system of "[^"]+\/images" free; free some on it$/,
      condition: "ResourcesAvailable",
    });

    const { bavail, bsize } = await statfs(mounted);
    await writeFile(join(mounted, "filler"), Buffer.alloc(Math.max(0, bavail * bsize - 2_000_000)));
    const { acknowledged, refused } = await fillStore(platform);
    expect(JSON.parse(refused)).toMatchObject({
      kind: "Status",
      reason: "ServiceUnavailable",
      code: 503,
      message: "Cannot store the object: the disk is full. Free some space on it, then try again",
    });
    const change = await patch(platform, `${coreApi}/configmaps/filler-0`, { data: { y: "y".repeat(800_000) } });
    expect(change.status).toBe(503);
    // Also for what the platform itself wants to write.
    const late = await command(platform, "deploy", "--service", "small", "--image", images["busybox:1"]);
    expect(late.code).toBe(1);
    expect(late.stderr).toContain("the disk is full");
    expect((await platform.ask(hostOf("small"))).text).toBe("Hello from busybox\n");

    await rm(join(mounted, "filler"));
    await eventually("it takes writes again", async () => {
      const answer = await platform?.call("DELETE", `${coreApi}/configmaps/filler-0`);
      return answer?.status === 200;
    });
    const list = (await platform.json("GET", `${coreApi}/configmaps`)) as { items: { metadata: { name: string } }[] };
    const names = list.items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith("filler-"));
    expect(names.toSorted()).toEqual(acknowledged.filter((name) => name !== "filler-0").toSorted());
    await deploy(platform, "small", images["busybox:1"], "--env", "AGAIN=1");

    // With room the image comes by itself.
    await execute("mount", ["-o", "remount,size=1g", mounted]);
    await hasCondition(platform, "revisions/large-00001", { type: "Ready", status: "True" });
    expect((await serves(platform, "large")).text).toBe("Hello World from 1\n");
    expect(await Promise.all([platform.pid("control"), platform.pid("gateway")])).toEqual(pids);
  } finally {
    process.env["TMPDIR"] = before ?? "/tmp";
    await platform?.purge();
    await execute("umount", [mounted]);
    await rm(mounted, { recursive: true });
  }
});
