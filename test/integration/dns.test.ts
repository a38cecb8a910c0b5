/** How names of services, the machine and the internet resolve in an instance, by the resolvers that programs have. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../../src/lib/log.ts";
import { dnsDirectory, dnsPort, type DnsOptions, prepareDns, publishDnsNames } from "../../src/runtime/oci/dns.ts";
import { createNetwork, destroyNetwork, type OciNetwork } from "../../src/runtime/oci/network.ts";
import { type Neighbour, neighbourNetwork } from "../support/namespaces.ts";

const execute = promisify(execFile);
let dataDir: string;
let network: OciNetwork;
let internet: Neighbour;
let name: string;
let options: DnsOptions;
const running: ChildProcess[] = [];

async function serve(command: string, args: readonly string[], ready: string): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  running.push(child);
  await new Promise<void>((resolve, reject) => {
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes(ready)) resolve();
    });
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}: ${said}`)));
  });
  return child;
}

/** Runs a program in the instance's namespace with its /etc/resolv.conf and /etc/hosts. */
async function inside(...args: string[]): Promise<string> {
  const result = await execute("ip", ["netns", "exec", name, ...args]).catch((error: { stdout: string }) => error);
  return result.stdout;
}

/** The addresses that each kind of resolver finds: glibc's, Node's two, and busybox's own. */
async function resolveAll(host: string): Promise<Record<string, string[]>> {
  const script = `
    const dns = require("node:dns").promises;
    const host = process.argv[1];
    const addresses = (promise) => promise.then((all) => all.map((one) => one.address ?? one), () => []);
    Promise.all([addresses(dns.lookup(host, { all: true })), addresses(dns.resolve4(host)), addresses(dns.resolve6(host))])
      .then(([lookup, resolve4, resolve6]) => console.log(JSON.stringify({ lookup, resolve4, resolve6 })));`;
  const [glibc, node, busybox] = await Promise.all([
    inside("getent", "ahostsv4", host),
    inside(process.execPath, "-e", script, host),
    inside("busybox", "nslookup", host),
  ]);
  const answers = busybox.slice(busybox.indexOf("Name:"));
  return {
    glibc: [...new Set([...glibc.matchAll(/^(\S+)/gmu)].map((match) => match[1] ?? ""))],
    ...(JSON.parse(node) as Record<string, string[]>),
    busybox: busybox.includes("Name:")
      ? [...answers.matchAll(/^Address: (\S+)/gmu)].map((match) => match[1] ?? "")
      : [],
  };
}

const all = (...addresses: string[]) => ({
  glibc: addresses,
  lookup: addresses,
  resolve4: addresses,
  resolve6: [],
  busybox: addresses,
});

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "elafros-dns-"));
  internet = await neighbourNetwork("dns", "198.18.8");
  const upstream = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--log-facility=-"];
  const records = ["--host-record=example.com,192.0.2.77", "--host-record=www.dev,192.0.2.78"];
  const command = ["--net=/run/netns/elatest-dns", "dnsmasq", ...upstream, ...records, "--local=/#/", "--pid-file="];
  await serve("nsenter", command, "started");
  await writeFile(join(dataDir, "resolv.conf"), "nameserver 198.18.8.2\n");
  const runDir = join(dataDir, "run");
  const ports = { gatewayPorts: [80], allowHostPorts: [] };
  network = await createNetwork({ dataDir, runDir, prepared: 0, log: silentLog, ...ports });
  options = { dataDir, gateway: network.gateway, domain: "localhost", resolvFile: join(dataDir, "resolv.conf") };
  await execute("chmod", ["755", dataDir]);
  const { command: server, args, port } = await prepareDns(options);
  expect(port).toBe(53);
  await serve(server, args, "started");
  await publishDnsNames(options, ["my-service.default", "next.my-service.default", "shop.dev"]);
  const { netns, address } = await network.attach("a");
  name = basename(netns);
  await mkdir(`/etc/netns/${name}`, { recursive: true });
  await writeFile(`/etc/netns/${name}/resolv.conf`, network.resolvConf());
  await writeFile(`/etc/netns/${name}/hosts`, network.hosts("a", address));
});

afterAll(async () => {
  for (const child of running) child.kill();
  await rm(`/etc/netns/${name}`, { recursive: true, force: true });
  await rmdir("/etc/netns").catch(() => {}); // others may have theirs there
  await destroyNetwork({ dataDir, runDir: join(dataDir, "run") });
  await internet.close();
  await rm(dataDir, { recursive: true });
});

test("service.namespace and its addresses mean the gateway, for every resolver", async () => {
  await expect.poll(() => resolveAll("my-service.default")).toEqual(all(network.gateway));
  expect(await resolveAll("next.my-service.default")).toEqual(all(network.gateway));
});

test("the platform's domain means the gateway, localhost alone doesn't", async () => {
  expect(await resolveAll("my-service.default.localhost")).toEqual(all(network.gateway));
  expect(await resolveAll("any.thing.at.all.localhost")).toEqual(all(network.gateway));
  expect((await resolveAll("localhost"))["resolve4"]).toEqual(["127.0.0.1"]);
});

test("host.elafros.internal means the machine, by DNS and in /etc/hosts", async () => {
  expect(await resolveAll("host.elafros.internal")).toEqual(all(network.gateway));
  expect(await resolveAll("other.elafros.internal")).toEqual(all());
  expect(await readFile(`/etc/netns/${name}/hosts`, "utf8")).toContain(`${network.gateway}\thost.elafros.internal`);
});

test("other names go to the machine's resolvers, also where a namespace is called like a top-level domain", async () => {
  expect(await resolveAll("example.com")).toEqual(all("192.0.2.77"));
  expect(await resolveAll("www.dev")).toEqual(all("192.0.2.78"));
  expect(await resolveAll("shop.dev")).toEqual(all(network.gateway));
  expect(await resolveAll("nothing.default")).toEqual(all());
});

test("publishDnsNames() adds and takes away names of a running server, and leaves out what is no name", async () => {
  await publishDnsNames(options, ["new.default", "bad name", "evil\n192.0.2.1 example.com", "-x.default"]);
  await expect.poll(() => resolveAll("new.default")).toEqual(all(network.gateway));
  expect(await resolveAll("my-service.default")).toEqual(all());
  expect(await resolveAll("example.com")).toEqual(all("192.0.2.77"));
  expect(await readFile(join(dnsDirectory(dataDir), "hosts"), "utf8")).toBe(`${network.gateway} new.default\n`);
});

test("publishDnsNames() called several times at once leaves the last names", async () => {
  const calls = Array.from({ length: 20 }, (_, index) => publishDnsNames(options, [`n${index}.default`]));
  await Promise.all(calls);
  expect(await readFile(join(dnsDirectory(dataDir), "hosts"), "utf8")).toBe(`${network.gateway} n19.default\n`);
});

test("the server runs as an ordinary user and answers on the bridge only", async () => {
  const pid = (await readFile(join(dnsDirectory(dataDir), "pid"), "utf8")).trim();
  const uid = /^Uid:\s+(\d+)/mu.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1];
  expect(Number(uid)).toBeGreaterThan(0);
  const sockets = (await execute("ss", ["-Hlnup"])).stdout.split("\n").filter((line) => line.includes(`pid=${pid},`));
  expect(sockets.map((line) => line.split(/\s+/u)[3])).toEqual([`${network.gateway}:53`]);
});

test("prepareDns() again keeps the running server's port; where 53 is taken it finds another and instances still ask 53", async () => {
  expect((await prepareDns(options)).port).toBe(53);
  const other = await mkdtemp(join(tmpdir(), "elafros-dns-"));
  const runDir = join(other, "run");
  const ports = { gatewayPorts: [80], allowHostPorts: [] };
  const second = await createNetwork({ dataDir: other, runDir, prepared: 0, log: silentLog, ...ports });
  const taken = createServer().listen(53, second.gateway);
  await expect.poll(() => taken.listening).toBe(true);
  try {
    const { command, args, port } = await prepareDns({ ...options, dataDir: other, gateway: second.gateway });
    expect(port).not.toBe(53);
    expect(await dnsPort(other)).toBe(port);
    await publishDnsNames({ dataDir: other, gateway: second.gateway }, ["my-service.default"]);
    await serve(command, args, "started");
    await second.prepare();
    const { netns } = await second.attach("b");
    const asked = await execute("nsenter", [
      `--net=${netns}`,
      "busybox",
      "nslookup",
      "my-service.default",
      second.gateway,
    ]);
    expect(asked.stdout).toContain(`Address: ${second.gateway}`);
  } finally {
    taken.close();
    await destroyNetwork({ dataDir: other, runDir });
    await rm(other, { recursive: true });
  }
});
