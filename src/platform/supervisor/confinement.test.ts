import { execFile } from "node:child_process";
import { chmod, chown, lstat, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Log } from "../../lib/log.ts";
import { silentLog } from "../../lib/log.ts";
import { platformPaths } from "../config.ts";
import { confinement, gatewayFiles, gatewayUid, prepareGatewayDirectory } from "./confinement.ts";

const run = promisify(execFile);
const dataDir = "/var/lib/elafros";
const program = "/bin/cat";
/** Only root can give itself another account. */
const asRoot = test.runIf(process.getuid?.() === 0);
let dir: string;
let warnings: string[];
const log: Log = { ...silentLog, warn: (_, message) => warnings.push(message) };

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-confinement-"));
  await chmod(dir, 0o755);
  warnings = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** What a program that is started so may do. */
async function statusOf(prefix: readonly string[]): Promise<Record<string, string>> {
  const [command, ...args] = [...prefix, program, "/proc/self/status"];
  const { stdout } = await run(command ?? "", args);
  return Object.fromEntries(stdout.split("\n").map((line) => line.split(/:?\s+/u).slice(0, 2) as [string, string]));
}

test("gatewayUid() is the same each time, of the range that nobody gives out", () => {
  expect(gatewayUid(dataDir)).toBe(gatewayUid(dataDir));
  const uids = Array.from({ length: 500 }, (_, index) => gatewayUid(`/srv/${index}`));
  expect(Math.min(...uids)).toBeGreaterThanOrEqual(60_706);
  expect(Math.max(...uids)).toBeLessThanOrEqual(61_183);
  expect(new Set(uids).size).toBeGreaterThan(100);
});

asRoot("confinement() is an account of its own without capabilities where it can read the program", async () => {
  const file = join(dir, "main");
  await writeFile(file, "", { mode: 0o644 });
  const { prefix, uid } = await confinement({ dataDir, program, files: [file] }, log);
  expect(uid).toBe(gatewayUid(dataDir));
  expect(await statusOf(prefix)).toMatchObject({
    Uid: `${uid}`,
    CapPrm: "0000000000000000",
    CapEff: "0000000000000000",
    CapBnd: "0000000000000000",
    CapAmb: "0000000000000000",
    NoNewPrivs: "1",
  });
  expect(warnings).toEqual([]);
});

asRoot("confinement() stays root without capabilities where only root can read the program", async () => {
  const file = join(dir, "main");
  await writeFile(file, "", { mode: 0o600 });
  const { prefix, uid } = await confinement({ dataDir, program, files: [file] }, log);
  expect(uid).toBe(0);
  expect(await statusOf(prefix)).toMatchObject({ Uid: "0", CapEff: "0000000000000000", NoNewPrivs: "1" });
  expect(warnings).toEqual([expect.stringContaining("Only root can read this program")]);
});

asRoot("confinement() leaves root what it takes to read a program in somebody's closed home, and no more", async () => {
  const home = join(dir, "home");
  await mkdir(home, { mode: 0o700 });
  const file = join(home, "main");
  await writeFile(file, "");
  await chown(home, 1000, 1000);
  const { prefix, uid } = await confinement({ dataDir, program, files: [file] }, log);
  expect(uid).toBe(0);
  // Bit 2 is CAP_DAC_READ_SEARCH.
  const only = "0000000000000004";
  expect(await statusOf(prefix)).toMatchObject({ CapPrm: only, CapEff: only, CapBnd: only, NoNewPrivs: "1" });
  expect(warnings).toEqual([expect.stringContaining("few capabilities or none")]);
});

test("confinement() says so where there is no setpriv", async () => {
  const setpriv = join(dir, "setpriv");
  expect(await confinement({ dataDir, program, files: [], setpriv }, log)).toEqual({ uid: 0, prefix: [] });
  expect(warnings).toEqual([expect.stringContaining("setpriv is missing or refused")]);
});

test("gatewayFiles() are there", async () => {
  for (const file of gatewayFiles(import.meta.filename)) expect((await stat(file)).isFile(), file).toBe(true);
});

asRoot("prepareGatewayDirectory() keeps what its own account has, and nothing of another's", async () => {
  const paths = platformPaths(dir);
  await prepareGatewayDirectory(paths, 60_706);
  expect(await lstat(paths.gateway)).toMatchObject({ uid: 0, mode: 0o40_711 });
  expect(await lstat(paths.gatewayState)).toMatchObject({ uid: 60_706, gid: 60_706, mode: 0o40_700 });
  await writeFile(paths.table, "{}");
  await prepareGatewayDirectory(paths, 60_706);
  expect((await stat(paths.table)).size).toBe(2);
  await prepareGatewayDirectory(paths, 0);
  expect(await lstat(paths.gatewayState)).toMatchObject({ uid: 0 });
  await expect(stat(paths.table)).rejects.toThrow("ENOENT");
  // A link in its place leads nowhere.
  await rm(paths.gatewayState, { recursive: true });
  await mkdir(join(dir, "elsewhere"));
  await symlink(join(dir, "elsewhere"), paths.gatewayState);
  await prepareGatewayDirectory(paths, 60_706);
  expect(await lstat(join(dir, "elsewhere"))).toMatchObject({ uid: 0 });
  expect((await lstat(paths.gatewayState)).isDirectory()).toBe(true);
});
