/**
 * The DNS server of an installation's instances: dnsmasq on the bridge's address. Its supervisor runs it; whoever knows the routes
 * gives it their names. Its files are in /run, since it runs as a user that can't enter the data directory.
 */
import { createSocket } from "node:dgram";
import { chmod, mkdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { dnsmasqConfig, dnsmasqHosts, hostsFileName } from "./dns-config.ts";
import { networkNames } from "./network-names.ts";
import { runTool } from "./storage-run.ts";

export interface DnsOptions {
  /** Absolute; names the installation. */
  dataDir: string;
  /** The bridge's address, which must be there already. */
  gateway: string;
  /** The platform's domain. */
  domain: string;
  /** The file that names the machine's resolvers, `/etc/resolv.conf` unless given. */
  resolvFile?: string;
}

/** How to run the DNS server: in the foreground, logging to standard error, until SIGTERM. */
export interface DnsProgram {
  command: string;
  args: string[];
  /** The port that it listens on; the network's rules lead port 53 there. */
  port: number;
}

/** Where an installation's DNS server has its files. */
export function dnsDirectory(dataDir: string): string {
  return join("/run/elafros", networkNames(dataDir).hash, "dns");
}

/** Writes the DNS server's files and says how to run it. Names that were published before stay. */
export async function prepareDns(options: DnsOptions): Promise<DnsProgram> {
  const dir = dnsDirectory(options.dataDir);
  await mkdir(dir, { recursive: true });
  // Whatever the umask is: dnsmasq's user reads them.
  for (const path of [dirname(dirname(dir)), dirname(dir), dir]) await chmod(path, 0o755);
  const running = await serverPid(dir);
  const port = running === undefined ? await freePort(options.gateway) : ((await dnsPort(options.dataDir)) ?? 53);
  const text = dnsmasqConfig({ ...options, port, dir, user: await serverUser() });
  await writeFile(configFile(dir), text, { mode: 0o644 });
  await writeFile(join(dir, hostsFileName), "", { mode: 0o644, flag: "a" });
  return { command: "dnsmasq", args: ["--keep-in-foreground", `--conf-file=${configFile(dir)}`], port };
}

/** The port that an installation's DNS server has been given; undefined before `prepareDns`. */
export async function dnsPort(dataDir: string): Promise<number | undefined> {
  const text = await readFile(configFile(dnsDirectory(dataDir)), "utf8").catch(() => "");
  const port = /^port=(\d+)$/mu.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}

/**
 * Makes exactly these names mean the gateway, besides the platform's domain: `service.namespace` and the other hosts of the routes.
 * Costs nothing where they are the same as before. A server that isn't running reads them when it starts.
 */
export function publishDnsNames(
  options: Pick<DnsOptions, "dataDir" | "gateway">,
  names: readonly string[],
): Promise<void> {
  const next = publishing.then(() => publish(options, names));
  publishing = next.catch(() => {});
  return next;
}

/** One after the other, so that the last names given are the ones that stay. */
let publishing: Promise<void> = Promise.resolve();

async function publish(options: Pick<DnsOptions, "dataDir" | "gateway">, names: readonly string[]): Promise<void> {
  const dir = dnsDirectory(options.dataDir);
  const file = join(dir, hostsFileName);
  const text = dnsmasqHosts(options.gateway, names);
  if ((await readFile(file, "utf8").catch(() => undefined)) === text) return;
  await writeFile(`${file}.new`, text, { mode: 0o644 });
  await rename(`${file}.new`, file);
  const pid = await serverPid(dir);
  if (pid !== undefined) process.kill(pid, "SIGHUP"); // dnsmasq(8): reads its hosts files again, and clears its cache
}

/** Removes the DNS server's files. */
export async function removeDns(dataDir: string): Promise<void> {
  const dir = dnsDirectory(dataDir);
  await rm(dirname(dir), { recursive: true, force: true });
  await rmdir(dirname(dirname(dir))).catch(() => {}); // other installations may have theirs there
}

const configFile = (dir: string) => join(dir, "dnsmasq.conf");

/** The running server of these files: the pid in its file, if that still is it. */
async function serverPid(dir: string): Promise<number | undefined> {
  const pid = Number(await readFile(join(dir, "pid"), "utf8").catch(() => "0"));
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.includes(configFile(dir)) ? pid : undefined;
}

/** The account that the distribution's package made for it, else `nobody`. */
async function serverUser(): Promise<string> {
  return (await runTool("getent", ["passwd", "dnsmasq"])).code === 0 ? "dnsmasq" : "nobody";
}

/** 53, unless something listens on it on all addresses of the machine. */
async function freePort(address: string): Promise<number> {
  for (const wanted of [53, 0]) {
    const port = await tryPort(address, wanted);
    if (port !== undefined) return port;
  }
  throw new Error(`Cannot find a port for DNS on ${address}`);
}

/** Binds a port for TCP and UDP, for a moment; undefined where it isn't free for both. */
async function tryPort(address: string, wanted: number): Promise<number | undefined> {
  const tcp = createServer();
  const udp = createSocket("udp4");
  try {
    const port = await new Promise<number | undefined>((resolve) => {
      tcp.once("error", () => resolve(undefined));
      tcp.listen(wanted, address, () => {
        const bound = tcp.address();
        resolve(typeof bound === "object" && bound !== null ? bound.port : undefined);
      });
    });
    if (port === undefined) return undefined;
    return await new Promise<number | undefined>((resolve) => {
      udp.once("error", () => resolve(undefined));
      udp.bind(port, address, () => resolve(port));
    });
  } finally {
    tcp.close();
    udp.close();
  }
}
