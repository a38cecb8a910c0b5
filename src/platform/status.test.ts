import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { identifyProcess } from "../lib/process.ts";
import { platformPaths } from "./config.ts";
import { status } from "./status.ts";
import { type ProcessName, processNames, writeRecord } from "./supervisor/records.ts";

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "elafros-status-"));
  await mkdir(platformPaths(dataDir).run);
  await writeFile(platformPaths(dataDir).config, JSON.stringify({ api: "127.0.0.1:1", http: "127.0.0.1:2" }));
});
afterEach(() => rm(dataDir, { recursive: true }));

/** Records of these processes as running (this one stands for each), of the others as ended. */
async function running(...names: ProcessName[]): Promise<void> {
  const own = await identifyProcess(process.pid);
  if (own === undefined) throw new Error("This process doesn't run");
  for (const name of processNames) {
    const identity = names.includes(name) ? own : { ...own, startTicks: "1" };
    await writeRecord(platformPaths(dataDir), { ...identity, name, since: "2026-01-01T00:00:00Z", version: "1" });
  }
}

test("status() of a directory that never had an Elafros says how to start one", async () => {
  const empty = join(dataDir, "none");
  expect(await status({ dataDir: empty })).toMatchObject({
    running: false,
    processes: [],
    problems: [`No Elafros was ever started on ${empty}: run "elafros up --data-dir ${empty}"`],
  });
});

test("status() finds no problem where all runs, by any name of the directory", async () => {
  await running(...processNames);
  const link = `${dataDir}-link`;
  await symlink(dataDir, link);
  const report = await status({ dataDir: link });
  await rm(link);
  expect(report).toMatchObject({
    dataDir,
    running: true,
    problems: [],
    api: "https://127.0.0.1:1",
    url: "http://127.0.0.1:2",
  });
  expect(report.processes.map(({ name }) => name)).toEqual([...processNames]);
});

test("status() says of each process what its absence means", async () => {
  const problems = async (...names: ProcessName[]) => {
    await running(...names);
    const report = await status({ dataDir });
    expect(report.running).toBe(false);
    return report.problems.join("\n");
  };
  expect(await problems("control", "gateway", "dns")).toMatch(
    /^The supervisor has ended[^\n]+which takes the others over$/,
  );
  expect(await problems("supervisor", "gateway", "dns")).toMatch(/^Control is down: services go on[^\n]+$/);
  expect(await problems("supervisor", "control", "dns")).toMatch(/^The gateway is down: requests wait[^\n]+$/);
  expect(await problems("supervisor", "control", "gateway")).toMatch(/^The instances' DNS server is down[^\n]+$/);
  expect(await problems()).toBe(`Elafros is stopped: run "elafros up --data-dir ${dataDir}"`);
});

test("status() tells what control knew last, also while it is down", async () => {
  await running("supervisor", "gateway");
  const instance = {
    id: "a",
    namespace: "b",
    revision: "c",
    phase: "ready",
    since: "2026-01-01T00:00:00Z",
    restarts: 0,
  };
  const known = { instances: [instance], problems: ["It went wrong"] };
  await writeFile(join(platformPaths(dataDir).run, "status.json"), JSON.stringify(known));
  const { instances, problems } = await status({ dataDir });
  expect([instances, problems.at(-1)]).toEqual([[instance], "It went wrong"]);
});
