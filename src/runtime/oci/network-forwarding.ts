/**
 * IP forwarding, switched on for no more than is needed: the bridge and the interfaces by which answers come back. Several installations
 * may need the same interface, so who needs it is kept in /run, and the last one that goes puts the old value back.
 */
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withMachineLock } from "./network-lock.ts";

/** Where it is kept what was switched on, for all installations of the machine; gone after a reboot, like what it tells about. */
const forwardingDir = "/run/elafros/forwarding";

const sysctlFile = (name: string) => `/proc/sys/net/ipv4/conf/${name}/forwarding`;

/** The interfaces of the machine's IPv4 default routes. */
export async function defaultInterfaces(): Promise<string[]> {
  return interfaces((route) => route[1] === "00000000" && route[7] === "00000000");
}

/** The interfaces by which the machine reaches anything, bridges of installations apart. */
export async function routedInterfaces(): Promise<string[]> {
  return interfaces((route) => !/^ela[0-9a-f]{8}$/u.test(route[0] ?? ""));
}

/** The interfaces of the main routing table's lines (proc(5): /proc/net/route) that `wanted` picks. */
async function interfaces(wanted: (route: string[]) => boolean): Promise<string[]> {
  const table = await readFile("/proc/net/route", "utf8").catch(() => "");
  const routes = table
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));
  return [...new Set(routes.filter(wanted).map((route) => route[0] ?? ""))];
}

/**
 * Lets `names` forward for the installation `holder`. Gives the interfaces that forward only because of us: whatever else comes in
 * by them must not be forwarded. Where something else has made the machine a router, that is none.
 */
export async function holdForwarding(holder: string, names: readonly string[]): Promise<string[]> {
  return (await alreadyHeld(holder, names, forwardingDir)) ?? withMachineLock(() => hold(holder, names, forwardingDir));
}

/** What `hold` would give, where it would change nothing: the usual case of a check now and then, which needs no lock. */
async function alreadyHeld(holder: string, names: readonly string[], dir: string): Promise<string[] | undefined> {
  const guarded: string[] = [];
  for (const name of names) {
    const value = await readFile(sysctlFile(name), "utf8").catch(() => undefined);
    if (value === undefined) continue;
    const holders: string[] = await readdir(join(dir, name)).catch(() => []);
    if (value.trim() === "0" || (holders.length > 0 && !holders.includes(holder))) return undefined;
    if (holders.length > 0) guarded.push(name);
  }
  return (await isRouter()) ? [] : guarded;
}

async function hold(holder: string, names: readonly string[], dir: string): Promise<string[]> {
  const guarded: string[] = [];
  for (const name of names) {
    const held = join(dir, name);
    const before = await readFile(sysctlFile(name), "utf8").catch(() => undefined);
    if (before === undefined) continue;
    if (before.trim() === "0") {
      await rm(held, { recursive: true, force: true }); // holders of before a reboot
      await mkdir(held, { recursive: true, mode: 0o755 });
      await writeFile(join(held, holder), "");
      await writeFile(sysctlFile(name), "1");
    } else if ((await readdir(held).catch(() => [])).length > 0) {
      await writeFile(join(held, holder), "");
    } else {
      continue; // it was on before us: not ours to switch off
    }
    guarded.push(name);
  }
  return (await isRouter()) ? [] : guarded;
}

/** Something switched forwarding on for the whole machine; what we do never does. */
async function isRouter(): Promise<boolean> {
  return (await readFile("/proc/sys/net/ipv4/ip_forward", "utf8")).trim() === "1";
}

/** Ends what `holdForwarding` did for `holder`; the last holder's end restores the value, unless the machine has become a router. */
export async function releaseForwarding(holder: string): Promise<void> {
  await withMachineLock(() => release(holder, forwardingDir));
}

async function release(holder: string, dir: string): Promise<void> {
  for (const name of await readdir(dir).catch(() => [])) {
    const held = join(dir, name);
    await rm(join(held, holder), { force: true });
    if ((await readdir(held)).length > 0) continue;
    if (!(await isRouter())) await writeFile(sysctlFile(name), "0").catch(() => {}); // the interface may be gone
    await rmdir(held).catch(() => {});
  }
  for (const path of [dir, join(dir, "..")]) await rmdir(path).catch(() => {}); // only where they are empty
}
