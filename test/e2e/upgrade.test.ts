/** `elafros upgrade` to other versions, good ones and bad ones, and a gateway that loses a thread: on a real platform, under load. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isRunning } from "../../src/lib/process.ts";
import { lockDirectory, unlockDirectory } from "../../src/platform/supervisor/lock.ts";
import type { ProcessRecord } from "../../src/platform/supervisor/records.ts";
import { type Collector, startCollector } from "../support/collector.ts";
import { gateways } from "../support/disturb.ts";
import { killedByTest, type ThreadKiller, threadKiller } from "../support/kill-thread.ts";
import { startLoad } from "../support/load.ts";
import { makeVersion, type NextVersion } from "../support/next-version.ts";
import { type CommandResult, eventually, run } from "../support/platform.ts";
import { answers, createService, hostOf, type Stage, startStage } from "../support/stage.ts";

const name = "upgraded";
const perSecond = 200;
let stage: Stage;
let collector: Collector;
let killer: ThreadKiller;
/** Versions of which processes run. */
const made: NextVersion[] = [];

beforeAll(async () => {
  killer = await threadKiller();
  collector = await startCollector();
  const seen = ["--access-log", "-", "--otlp-endpoint", collector.endpoint, "--trace-sampling", "1"];
  stage = await killer.hooked(() => startStage(seen));
  await createService(stage.platform, name, stage.images["app:1"]);
});

afterAll(async () => {
  await stage?.close();
  await collector?.close();
  for (const version of made) await version.remove();
  await killer?.remove();
});

const names = ["supervisor", "gateway", "control"] as const;
type Records = Record<(typeof names)[number], ProcessRecord>;

async function records(): Promise<Records> {
  const read = async (process: string): Promise<ProcessRecord> =>
    JSON.parse(await readFile(join(stage.platform.dataDir, "run", `${process}.json`), "utf8")) as ProcessRecord;
  const [supervisor, gateway, control] = await Promise.all([read(names[0]), read(names[1]), read(names[2])]);
  return { supervisor, gateway, control };
}

const pids = (of: Records): number[] => names.map((process) => of[process].pid);
const versions = (of: Records): string[] => names.map((process) => of[process].version);
const own = async (): Promise<string> =>
  (JSON.parse(await readFile(join(import.meta.dirname, "../../package.json"), "utf8")) as { version: string }).version;
const upgrade = (program: string): Promise<CommandResult> =>
  run(program, ["upgrade", "--data-dir", stage.platform.dataDir]);
const load = () => startLoad({ port: stage.platform.httpPort, host: hostOf(name), perSecond });

/** The supervisor that runs starts a gateway again that was killed. */
async function looksAfterGateway(): Promise<void> {
  const { pid } = (await records()).gateway;
  process.kill(pid, "SIGKILL");
  await eventually("another gateway serves", async () => {
    const { gateway } = await records();
    return gateway.pid !== pid && gateway.starting !== true;
  });
  await answers(stage.platform, name);
}

test("a version that can't read the store, or whose control doesn't load, is refused before anything is changed", async () => {
  const before = await records();
  // As another upgrade has it.
  expect(lockDirectory(join(stage.platform.dataDir, "run"))).toBe(true);
  const beside = await stage.platform.elafros(["upgrade", "--data-dir", stage.platform.dataDir]);
  unlockDirectory();
  expect(beside.code).toBe(1);
  expect(beside.stderr).toContain('Another "elafros upgrade" is under way');
  const older = await makeVersion("0.0.1", {
    "src/store/database.ts": ["const schemaVersion = 1;", "const schemaVersion = 0;"],
  });
  const { code, stderr } = await upgrade(older.elafros);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /Version 0\.0\.1 can't take over, and nothing was changed: Cannot open the store ".*": it has schema version 1/,
  );
  const broken = await makeVersion("99.0.1", { "src/autoscaler/autoscaler.ts": ["import ", "imp0rt "] });
  const second = await upgrade(broken.elafros);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain("Version 99.0.1 can't take over, and nothing was changed");
  expect(pids(await records())).toEqual(pids(before));
  await Promise.all([older.remove(), broken.remove()]);
});

test("a supervisor that fails leaves the one before in charge; no request fails", async () => {
  const from = await own();
  const before = await records();
  const under = load();
  // As late as it can: the one before has let go of everything by then.
  const late = "    await untilReleased();\n";
  const bad = await makeVersion("99.0.2", {
    "src/platform/supervisor/main.ts": [late, `${late}    throw new Error("changed its mind");\n`],
  });
  const { code, stderr } = await upgrade(bad.elafros);
  expect(code).toBe(1);
  expect(stderr).toContain(
    `The supervisor of version 99.0.2 does not start: changed its mind. The supervisor of version ${from} goes on, and nothing was changed`,
  );
  const { failures } = await under.stop();
  expect(failures).toEqual([]);
  expect(pids(await records())).toEqual(pids(before));
  await looksAfterGateway();
  await bad.remove();
});

test("a gateway that doesn't start leaves the one before serving; no request fails", async () => {
  const from = await own();
  const before = await records();
  const under = load();
  const bad = await makeVersion("99.0.3", {
    "src/gateway/main.ts": [
      "async function start(): Promise<void> {",
      "async function start(): Promise<void> {\n  process.exit(3);",
    ],
  });
  const { code, stdout, stderr } = await upgrade(bad.elafros);
  expect(code).toBe(1);
  expect(stdout).toBe(`✓ supervisor: ${from} → 99.0.3\n`);
  expect(stderr).toContain("The gateway of version 99.0.3 does not start");
  expect(stderr).toContain(`The gateway of version ${from} goes on serving`);
  expect((await records()).gateway.pid).toBe(before.gateway.pid);
  const { failures } = await under.stop();
  expect(failures).toEqual([]);
  // Its supervisor goes on for the next test.
  made.push(bad);
});

test("a newer version takes over under load without a failed request", async () => {
  const from = await own();
  const next = await makeVersion("99.0.0");
  made.push(next);
  const under = load();
  const before = await records();
  const { code, stdout, stderr } = await upgrade(next.elafros);
  const { failures, answers: answered } = await under.stop();
  const after = await records();
  expect(code, stderr).toBe(0);
  expect(stdout).toBe(
    `✓ supervisor: 99.0.3 → 99.0.0\n✓ gateway: ${from} → 99.0.0\n✓ control: ${from} → 99.0.0\nElafros runs version 99.0.0\n`,
  );
  expect(failures).toEqual([]);
  expect(answered.length).toBeGreaterThan(perSecond);
  expect(versions(after)).toEqual(names.map(() => "99.0.0"));
  expect(new Set([...pids(before), ...pids(after)]).size).toBe(6);
  const status = await stage.platform.elafros(["status", "--data-dir", stage.platform.dataDir]);
  expect(status.stdout).toContain("99.0.0");
  // What took over does its work.
  await looksAfterGateway();
});

test("a thread that dies takes along only the requests that it has, and the gateway is replaced", async () => {
  const { platform } = stage;
  const { gateway } = await records();
  const outcomes: Promise<string>[] = [];
  await killer.kill(gateway.pid);
  await eventually("another gateway serves", async () => {
    outcomes.push(askOnce(platform.httpPort));
    const now = (await records()).gateway;
    return now.pid !== gateway.pid && now.starting !== true;
  });
  for (let i = 0; i < 20; i++) outcomes.push(askOnce(platform.httpPort));
  const ended = await Promise.all(outcomes);
  // The thread's own are cut; none is refused, and none fails otherwise.
  expect(ended.filter((how) => how !== "200" && how !== "ECONNRESET")).toEqual([]);
  expect(ended.slice(-20)).toEqual(Array.from({ length: 20 }, () => "200"));
  // The one before ends when the threads that it has left have ended what they had: nobody waits for the dead one.
  await eventually("the gateway before has ended", async () => !(await isRunning(gateway)));
  const log = await readFile(join(platform.dataDir, "logs/gateway.log"), "utf8");
  expect(log).toContain(killedByTest);
});

test("what was asked is in the access log and in traces, cold starts too", async () => {
  const { platform } = stage;
  const { status } = await platform.ask(hostOf(name), "/seen?secret=s3cret", { headers: { "x-request-id": "seen-1" } });
  expect(status).toBe(200);
  const path = join(platform.dataDir, "logs/access.log");
  const line = await eventually("the access log has it", async () =>
    (await readFile(path, "utf8")).split("\n").find((one) => one.includes('"seen-1"')),
  );
  expect(JSON.parse(line)).toMatchObject({ status: 200, path: "/seen", route: `default/${name}` });
  expect(line).not.toContain("s3cret");
  await eventually("the collector has it", async () =>
    collector.spans.some(({ attributes }) => attributes["elafros.request_id"] === "seen-1"),
  );
  // The service's first request waited for its first instance.
  const cold = collector.spans.filter(({ service }) => service === "elafros-control");
  const whole = cold.find((span) => span.name === "cold start");
  expect(cold.filter(({ parentSpanId }) => parentSpanId === whole?.spanId).map((span) => span.name)).toEqual([
    "queued",
    "created",
    "started",
    "ready",
  ]);
  await eventually("metrics count them", async () =>
    /elafros_spans_exported_total [1-9]/.test((await platform.call("GET", "/metrics")).text),
  );
});

test("down in the middle of an upgrade stops all, whoever has it by then", async () => {
  const { dataDir } = stage.platform;
  const before = await records();
  const [program] = made.slice(-1);
  const upgrading = upgrade(program?.elafros ?? "");
  const socket = join(dataDir, "run/supervisor.sock");
  await eventually(
    "it hands over, or has",
    async () => !existsSync(socket) || (await records()).supervisor.pid !== before.supervisor.pid,
    { everyMs: 1, timeoutMs: 60_000 },
  );
  const down = await stage.platform.elafros(["down", "--data-dir", dataDir]);
  expect(down.code, down.stderr).toBe(0);
  await upgrading;
  for (const process of names) expect(await isRunning(before[process])).toBe(false);
  expect(await gateways(stage.platform)).toEqual([]);
  const status = await stage.platform.elafros(["status", "--data-dir", dataDir]);
  expect(status.stdout + status.stderr).toMatch(/not run|stopped/i);
});

/** The status of one request over a connection of its own, or the code of its error. */
function askOnce(port: number): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get({ host: "127.0.0.1", port, agent: false, headers: { host: hostOf(name) } }, (response) => {
      response.resume().on("end", () => resolve(String(response.statusCode)));
      response.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
    request.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
