/** A real ACME server, Debian's pebble, and the DNS server that it asks: every name leads to 127.0.0.1. Both end with the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/lib/clock.ts";
import { openAuthority } from "../../src/platform/certificates/authority.ts";
import { openFileStore } from "../../src/platform/certificates/file-store.ts";
import { eventually, freePort, request } from "./platform.ts";

export interface AcmeServer {
  /** Its directory. */
  url: string;
  /** A file with the authority of its own certificate. */
  ca: string;
  /** The authority that signs what it gives out, PEM. */
  root(): Promise<string>;
  /** How many orders and accounts it has made so far, by its log. */
  made(what: "orders" | "accounts"): number;
  close(): Promise<void>;
}

/**
 * Starts it. `httpPort` and `tlsPort` are where it looks for the answers to its challenges, in place of 80 and 443. With `accounts`, keys in base64url by
 * their ids, it wants its accounts tied to these.
 */
export async function startAcmeServer(
  ports: { httpPort: number; tlsPort: number },
  accounts?: Record<string, string>,
): Promise<AcmeServer> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-acme-"));
  const [port, management, dns, dnsManagement] = [
    await freePort(),
    await freePort(),
    await freeUdpPort(),
    await freePort(),
  ];
  const authority = await openAuthority((await openFileStore(join(dir, "ca"))).authority, systemClock);
  const own = await authority.issue(["localhost"]);
  const file = (name: string) => join(dir, name);
  await writeFile(file("cert.pem"), own.cert);
  await writeFile(file("key.pem"), own.key);
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: file("cert.pem"),
    privateKey: file("key.pem"),
    ocspResponderURL: "",
    externalAccountBindingRequired: accounts !== undefined,
    ...(accounts === undefined ? {} : { externalAccountMACKeys: accounts }),
    ...ports,
  };
  await writeFile(file("pebble.json"), JSON.stringify({ pebble }));
  const unused = ["-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""];
  const addresses = ["-dns01", `127.0.0.1:${dns}`, "-management", `127.0.0.1:${dnsManagement}`];
  const names = start("pebble-challtestsrv", [...unused, ...addresses]);
  // A fifth of all nonces is refused, as a busy server may do.
  const env = { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "20", PEBBLE_AUTHZREUSE: "0" };
  const flags = ["-strict", "-config", file("pebble.json"), "-dnsserver", `127.0.0.1:${dns}`];
  const server = start("pebble", flags, env);
  let log = "";
  server.stdout?.on("data", (part: Buffer) => (log += part.toString()));
  server.stderr?.on("data", (part: Buffer) => (log += part.toString()));
  const trust = { ca: authority.cert };
  const url = `https://localhost:${port}/dir`;
  try {
    await eventually("the ACME server answers", async () => (await request(url, trust)).status === 200);
  } catch (error) {
    await Promise.all([end(server), end(names)]);
    throw new Error(`The ACME server didn't start: ${log}`, { cause: error });
  }
  return {
    url,
    ca: join(dir, "ca/ca.crt"),
    root: async () => (await request(`https://localhost:${management}/roots/0`, trust)).text,
    made: (what) =>
      Math.max(0, ...[...log.matchAll(new RegExp(`There are now (\\d+) ${what}`, "g"))].map(([, n]) => Number(n))),
    async close() {
      await Promise.all([end(server), end(names)]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function start(program: string, args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
