/**
 * `down --purge` in the middle of things, on a machine of the test's own on which nothing else runs: whatever is just starting, or is started
 * again because it was killed, nothing is left and nothing comes afterwards.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { imageCache } from "../support/images.ts";
import { differences, type Machine, startMachine } from "../support/machine.ts";

const top = `/var/tmp/elafros-teardown-${process.pid}`;
let machine: Machine;

beforeAll(async () => {
  process.env["CONTAINERS_STORAGE_CONF"] = (await imageCache()).storageConf;
  await mkdir(top);
  machine = await startMachine(top);
});

afterAll(async () => {
  await machine?.crash();
  await rm(top, { recursive: true, force: true });
});

async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await machine.elafros(...args);
  expect(code, `${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
  return stdout;
}

interface Status {
  processes: { name: string; pid: number }[];
}

test.each<{ name: string; killed: string[]; laterMs: number }>([
  { name: "while instances start", killed: [], laterMs: 0 },
  { name: "at once after control was killed, which starts again meanwhile", killed: ["control"], laterMs: 0 },
  { name: "while control and gateway that were killed come back", killed: ["control", "gateway"], laterMs: 500 },
])("down --purge $name leaves nothing", async ({ killed, laterMs }) => {
  const dir = join(top, "data");
  const before = await machine.state(dir);
  await succeed("up", "--data-dir", dir, "--api", "127.0.0.1:7001", "--http", "127.0.0.1:8001", "--detach");
  const { processes } = JSON.parse(await succeed("status", "--data-dir", dir, "-o", "json")) as Status;
  const pids = killed.map((name) => String(processes.find((each) => each.name === name)?.pid));
  for (const service of ["one", "two"]) {
    const flags = ["--service", service, "--image", "localhost/app:1", "--kubeconfig", join(dir, "kubeconfig")];
    await succeed("deploy", ...flags, "--no-wait");
  }
  if (killed.length > 0) expect((await machine.run("kill", ["-KILL", ...pids])).code).toBe(0);
  // A moment within what goes on, not one to wait for: the result is the same at any.
  await sleep(laterMs);
  await succeed("down", "--purge", "--data-dir", dir);
  await sleep(1_000); // for what would come late
  const left = differences(before, await machine.state(dir));
  expect(left.filter((line) => !line.includes("temporaryFiles: /run/containers"))).toEqual([]);
});
