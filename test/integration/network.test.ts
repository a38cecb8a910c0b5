/** What instances reach and don't, tried from real namespaces against a machine with a neighbour that plays the internet. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../../src/lib/log.ts";
import { createLauncher } from "../../src/runtime/oci/launcher.ts";
import { networkNames } from "../../src/runtime/oci/network-names.ts";
import { existingSlots, removeSlots } from "../../src/runtime/oci/network-slots.ts";
import { createNetwork, destroyNetwork, type NetworkOptions, type OciNetwork } from "../../src/runtime/oci/network.ts";
import type { Attachment } from "../../src/runtime/oci/parts.ts";
import { runTool } from "../../src/runtime/oci/storage-run.ts";
import {
  connectFrom,
  type Listener,
  listenIn,
  type Neighbour,
  neighbourNetwork,
  runIn,
} from "../support/namespaces.ts";

const execute = promisify(execFile);
const nft = async (...args: string[]) => (await execute("nft", args)).stdout;
const gatewayPort = 19_090;
/** Where services of the machine listen that nobody has opened. */
const closedPort = 18_777;

let options: NetworkOptions;
let network: OciNetwork;
let a: Attachment;
let b: Attachment;
let internet: Neighbour;
let office: Neighbour;
/** A service of the machine's loopback, opened to instances. */
let hostPort: number;
const opened: Listener[] = [];
const here = "/proc/self/ns/net";
/** Addresses of the machine: the bridge's, and one of another network. */
const machine = () => [network.gateway, "198.51.100.1"];

beforeAll(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "elafros-network-"));
  options = {
    dataDir,
    runDir: join(dataDir, "run"),
    gatewayPorts: [80, 8080],
    gatewayTarget: gatewayPort,
    allowHostPorts: [],
    prepared: 2,
    launcher: createLauncher(),
    log: silentLog,
  };
  internet = await neighbourNetwork("inet", "198.51.100");
  office = await neighbourNetwork("office", "203.0.113");
  const database = await listenIn(undefined, { host: "127.0.0.1", port: 0, name: "database" });
  hostPort = database.port;
  options = { ...options, allowHostPorts: [hostPort] };
  network = await createNetwork(options);
  a = await network.attach("a");
  b = await network.attach("b");
  opened.push(
    await listenIn(undefined, { host: network.gateway, port: gatewayPort, name: "gateway" }),
    database,
    await listenIn(b.netns, { host: "0.0.0.0", port: 8080, name: "b" }),
    await listenIn(internet.netns, { host: "0.0.0.0", port: 80, name: "internet" }),
    await listenIn(office.netns, { host: "0.0.0.0", port: 80, name: "office" }),
  );
  for (const host of machine()) opened.push(await listenIn(undefined, { host, port: closedPort, name: "machine" }));
});

afterAll(async () => {
  await Promise.all(opened.map((listener) => listener.close()));
  await destroyNetwork(options);
  await internet.close();
  await office.close();
  options.launcher?.close();
  await rm(options.dataDir, { recursive: true });
});

const table = () => `elafros_${network.bridge.slice(3)}`;
const from = (place: { netns: string }, host: string, port: number) => connectFrom(place.netns, { host, port });
/** The same where nobody is expected to answer. */
const tried = (place: { netns: string }, host: string, port: number) =>
  connectFrom(place.netns, { host, port, timeoutMs: 1_500 });

/** An instance's hardware address, as its own kernel says it. */
async function macOf(place: Attachment): Promise<string> {
  const shown = await runIn(place.netns, "ip", ["-o", "link", "show", "dev", "eth0"]);
  return /link\/ether ([0-9a-f:]{17})/u.exec(shown)?.[1] ?? "unknown";
}

test("attach() gives an address that this machine reaches", async () => {
  const opposite = await connectFrom(here, { host: b.address, port: 8080 });
  expect(opposite).toBe(`b ${network.gateway}`);
});

test("an instance reaches the gateway at 80 and at its own port", async () => {
  expect(await from(a, network.gateway, 80)).toBe(`gateway ${a.address}`);
  expect(await from(a, network.gateway, 8080)).toBe(`gateway ${a.address}`);
});

test("an instance reaches opened ports of the machine's loopback, by the bridge's address only", async () => {
  expect(await from(a, network.gateway, hostPort)).toBe(`database ${a.address}`);
  expect(await from(a, "127.0.0.1", hostPort)).toBe("ECONNREFUSED");
  // A hostile one routes loopback addresses to the bridge instead of to itself.
  await runIn(a.netns, "sysctl", ["-qw", "net.ipv4.conf.eth0.route_localnet=1"]);
  await runIn(a.netns, "ip", ["rule", "add", "pref", "1", "lookup", "local"]);
  await runIn(a.netns, "ip", ["rule", "add", "pref", "0", "to", "127.0.0.0/8", "lookup", "99"]);
  await runIn(a.netns, "ip", ["route", "add", "127.0.0.0/8", "via", network.gateway, "dev", "eth0", "table", "99"]);
  await runIn(a.netns, "ip", ["rule", "del", "pref", "0", "lookup", "local"]);
  expect(
    await connectFrom(a.netns, { host: "127.0.0.1", port: hostPort, from: a.address, timeoutMs: 1_500 }),
  ).not.toContain("database");
  await runIn(a.netns, "ip", ["rule", "add", "pref", "0", "lookup", "local"]);
  await runIn(a.netns, "ip", ["rule", "del", "pref", "0", "to", "127.0.0.0/8", "lookup", "99"]);
});

test("an instance reaches nothing else of the machine", async () => {
  for (const host of machine()) {
    expect(await from(a, host, closedPort)).toBe("ECONNREFUSED");
    expect(await connectFrom(here, { host, port: closedPort })).toContain("machine");
  }
});

test("an instance reaches what the machine reaches, with the machine's address", async () => {
  expect(await from(a, "198.51.100.2", 80)).toBe("internet 198.51.100.1");
});

test("an instance doesn't reach another, by its address or through the machine", async () => {
  expect(await tried(a, b.address, 8080)).not.toContain("b ");
  await runIn(a.netns, "ip", ["route", "add", b.address, "via", network.gateway]);
  expect(await from(a, b.address, 8080)).toBe("ECONNREFUSED");
  // Not by knowing the other's hardware address either.
  const mac = await macOf(b);
  await runIn(a.netns, "ip", ["route", "replace", b.address, "dev", "eth0"]);
  await runIn(a.netns, "ip", ["neigh", "replace", b.address, "lladdr", mac, "dev", "eth0"]);
  expect(await tried(a, b.address, 8080)).toBe("timeout");
  await runIn(a.netns, "ip", ["route", "del", b.address]);
  expect(await from(b, b.address, 8080)).toBe(`b ${b.address}`);
});

test("an instance doesn't reach link-local addresses, where clouds keep credentials, though the machine does", async () => {
  await execute("ip", ["-n", "elatest-inet", "addr", "add", "169.254.169.254/32", "dev", "lo"]);
  await execute("ip", ["route", "add", "169.254.169.254", "via", "198.51.100.2"]);
  try {
    expect(await connectFrom(here, { host: "169.254.169.254", port: 80 })).toContain("internet");
    expect(await from(a, "169.254.169.254", 80)).toBe("ECONNREFUSED");
  } finally {
    await execute("ip", ["route", "del", "169.254.169.254"]);
  }
});

test("nobody outside reaches an instance, nor another network by what egress switched on", async () => {
  expect(await tried(internet, b.address, 8080)).toMatch(/ECONNREFUSED|timeout/u);
  expect(await from(internet, "198.51.100.1", closedPort)).toContain("machine");
  expect((await readFile("/proc/sys/net/ipv4/conf/tinet/forwarding", "utf8")).trim()).toBe("1");
  expect(await tried(internet, "203.0.113.2", 80)).toBe("timeout");
});

test("an instance can't speak with another's address", async () => {
  await runIn(a.netns, "ip", ["addr", "add", `${b.address}/32`, "dev", "eth0"]);
  expect(await connectFrom(a.netns, { host: network.gateway, port: 80, from: b.address, timeoutMs: 1_500 })).toBe(
    "timeout",
  );
  expect(await connectFrom(a.netns, { host: "198.51.100.2", port: 80, from: b.address, timeoutMs: 1_500 })).toBe(
    "timeout",
  );
  await runIn(a.netns, "ip", ["addr", "del", `${b.address}/32`, "dev", "eth0"]);
  expect(await from(a, network.gateway, 80)).toContain("gateway");
});

/** The hardware address that this machine has for `address` after `a` has claimed it. */
async function claimed(address: string): Promise<string> {
  await connectFrom(here, { host: b.address, port: 8080 });
  await runIn(a.netns, "busybox", [
    "arping",
    "-q",
    "-c",
    "2",
    "-w",
    "2",
    "-U",
    "-I",
    "eth0",
    "-s",
    address,
    network.gateway,
  ]).catch(
    () => {}, // nobody answers; that isn't the question
  );
  return (await execute("ip", ["neigh", "show", address, "dev", network.bridge])).stdout;
}

test("an instance can't claim another's address by ARP; without the rules it could", async () => {
  await runIn(a.netns, "ip", ["addr", "add", `${b.address}/32`, "dev", "eth0"]);
  try {
    expect(await claimed(b.address)).toContain(await macOf(b));
    await nft("delete", "table", "bridge", table());
    expect(await claimed(b.address)).toContain(await macOf(a));
  } finally {
    await runIn(a.netns, "ip", ["addr", "del", `${b.address}/32`, "dev", "eth0"]);
    await network.prepare();
    await execute("ip", ["neigh", "flush", "dev", network.bridge]);
  }
  expect(await connectFrom(here, { host: b.address, port: 8080 })).toContain("b ");
});

test("an instance can't draw another's frames by its hardware address", async () => {
  const [own, other] = [await macOf(a), await macOf(b)];
  await runIn(a.netns, "ip", ["link", "set", "eth0", "address", other]);
  await runIn(a.netns, "ip", ["route", "replace", "default", "via", network.gateway]);
  expect(await tried(a, network.gateway, 80)).toMatch(/timeout|EHOSTUNREACH/u);
  expect(await connectFrom(here, { host: b.address, port: 8080 })).toContain("b ");
  await runIn(a.netns, "ip", ["link", "set", "eth0", "address", own]);
  expect(await from(a, network.gateway, 80)).toContain("gateway");
});

test("IPv6 leads nowhere", async () => {
  const addresses = await runIn(a.netns, "ip", ["-6", "-o", "addr", "show", "dev", "eth0"]);
  expect(addresses).toBe("");
  await runIn(a.netns, "ip", ["-6", "addr", "add", "fe80::1/64", "dev", "eth0", "nodad"]);
  await execute("ip", ["-6", "addr", "add", "fe80::2/64", "dev", network.bridge, "nodad"]);
  opened.push(await listenIn(undefined, { host: `fe80::2%${network.bridge}`, port: 18_778, name: "six" }));
  expect(await connectFrom(a.netns, { host: "fe80::2%eth0", port: 18_778, timeoutMs: 1_500 })).toMatch(
    /timeout|EHOSTUNREACH/u,
  );
});

test("the gateway's hardware address stays as places come and go", async () => {
  const address = async () => {
    const shown = (await execute("ip", ["-o", "link", "show", "dev", network.bridge])).stdout;
    return /link\/ether (\S+)/u.exec(shown)?.[1];
  };
  const before = await address();
  const ids = Array.from({ length: 8 }, (_, index) => `port-${index}`);
  for (const id of ids) await network.attach(id);
  expect(await address()).toBe(before);
  for (const id of ids) await network.release(id);
  expect(await address()).toBe(before);
});

test("createNetwork() finds what an earlier control left: holders keep their places, unheld ones are made anew", async () => {
  await network.settled();
  const before = await network.attached();
  const again = await createNetwork(options);
  await again.settled();
  expect(await again.attached()).toEqual(before);
  expect(again.gateway).toBe(network.gateway);
  expect(await from(a, network.gateway, 80)).toContain("gateway");
  const c = await again.attach("c");
  expect([a.address, b.address]).not.toContain(c.address);
  expect(await from(c, network.gateway, 80)).toContain("gateway");
  expect(await again.attach("c")).toEqual(c);
  await again.release("c");
  await again.release("c");
  expect([...(await again.attached()).keys()].toSorted()).toEqual(["a", "b"]);
  network = again;
});

test("prepare() makes anew what somebody removed: rules, bridge", async () => {
  await nft("delete", "table", "inet", table());
  expect(await from(a, network.gateway, closedPort)).toContain("machine");
  await network.prepare();
  expect(await from(a, network.gateway, closedPort)).toBe("ECONNREFUSED");
  await execute("ip", ["link", "del", network.bridge]);
  await network.prepare();
  expect(await from(a, "198.51.100.2", 80)).toContain("internet");
  expect(await connectFrom(here, { host: b.address, port: 8080 })).toContain("b ");
  expect(await tried(a, b.address, 8080)).not.toContain("b ");
});

test("setPorts() opens and closes ports", async () => {
  const other = await listenIn(undefined, { host: "127.0.0.1", port: 0, name: "other" });
  opened.push(other);
  expect(await from(a, network.gateway, other.port)).toBe("ECONNREFUSED");
  await network.setPorts({ ...options, allowHostPorts: [other.port] });
  expect(await from(a, network.gateway, other.port)).toContain("other");
  expect(await from(a, network.gateway, hostPort)).toBe("ECONNREFUSED");
  await network.setPorts(options);
  expect(await from(a, network.gateway, other.port)).toBe("ECONNREFUSED");
  expect(await from(a, network.gateway, hostPort)).toContain("database");
});

test("attach() after a reboot forgets holders whose namespaces are gone", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "elafros-network-"));
  const other = { ...options, dataDir, runDir: join(dataDir, "run") };
  const first = await createNetwork(other);
  await first.attach("old");
  await first.settled();
  const subnet = first.subnet;
  // What a reboot does: the kernel's objects go, the files in the data directory stay.
  const files = await readdir(join(other.runDir, "network"));
  await destroyNetwork(other);
  await execute("mkdir", ["-p", join(other.runDir, "network")]);
  for (const file of files) await execute("touch", [join(other.runDir, "network", file)]);
  const second = await createNetwork(other);
  expect(second.subnet).toBe(subnet);
  expect(await second.attached()).toEqual(new Map());
  expect(await from(await second.attach("new"), "198.51.100.2", 80)).toContain("internet");
  await second.settled();
  await destroyNetwork(other);
  await rm(dataDir, { recursive: true });
});

test("destroyNetwork() leaves nothing, and what another installation needs", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "elafros-network-"));
  const other = { ...options, dataDir, runDir: join(dataDir, "run") };
  const second = await createNetwork(other);
  await second.attach("x");
  await second.settled();
  const hash = second.bridge.slice(3);
  await destroyNetwork(other);
  await destroyNetwork(other);
  const left = [
    (await execute("ip", ["-o", "link"])).stdout,
    await nft("list", "ruleset"),
    (await readdir("/run/netns")).join("\n"),
    (await execute("find", ["/run/elafros"])).stdout,
  ].join("\n");
  expect(left).not.toContain(hash);
  expect(left).toContain(network.bridge.slice(3));
  expect(await from(a, "198.51.100.2", 80)).toContain("internet");
  await rm(dataDir, { recursive: true });
});

test("a place that two remove at once is removed, and neither fails", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "elafros-network-"));
  const other = { ...options, dataDir, runDir: join(dataDir, "run"), prepared: 0 };
  const second = await createNetwork(other);
  for (let round = 0; round < 5; round += 1) {
    await Promise.all(["x", "y", "z"].map((id) => second.attach(id)));
    const names = networkNames(dataDir);
    const slots = await existingSlots(names, 0);
    expect(slots).toHaveLength(3);
    await Promise.all([1, 2, 3].map(() => removeSlots(runTool, names, slots)));
    expect(await existingSlots(names, 0)).toEqual([]);
    await Promise.all(["x", "y", "z"].map((id) => second.release(id)));
  }
  await destroyNetwork(other);
  await rm(dataDir, { recursive: true });
});

test("destroyNetwork() restores forwarding", async () => {
  expect((await readFile("/proc/sys/net/ipv4/conf/tinet/forwarding", "utf8")).trim()).toBe("1");
  await destroyNetwork(options);
  // Another installation on this machine may need it too, and says so there.
  const others = await readdir("/run/elafros/forwarding/tinet").catch(() => []);
  const left = (await readFile("/proc/sys/net/ipv4/conf/tinet/forwarding", "utf8")).trim();
  expect(left).toBe(others.length === 0 ? "0" : "1");
});
