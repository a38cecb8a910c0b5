/**
 * The network of one installation's instances: a bridge, an nftables table, and places on the bridge that are made ahead so that
 * taking one is a file and no process. The kernel and the run directory hold the state, nothing else: a new control finds it there,
 * and after a reboot it is made again. What the rules allow is told in network-rules.ts.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { instanceResolvConf } from "./dns-config.ts";
import type { Launcher } from "./launcher.ts";
import { dnsPort, removeDns } from "./dns.ts";
import { forward, prepareBridge } from "./network-bridge.ts";
import { releaseForwarding } from "./network-forwarding.ts";
import { leaveNamespaces } from "./network-leave.ts";
import { networkNames } from "./network-names.ts";
import { openPlaces, type Serial } from "./network-places.ts";
import { removeScript, type RulePorts, rulesScript } from "./network-rules.ts";
import { existingSlots, ipBatch, removeSlots } from "./network-slots.ts";
import { formatRange } from "./network-subnet.ts";
import type { InstanceNetwork } from "./parts.ts";
import { briefTools, needTool, runTool } from "./storage-run.ts";

export interface NetworkOptions extends RulePorts {
  /** Absolute; names the installation. The subnet is kept there. */
  dataDir: string;
  /** Who holds which place is kept there, until a reboot. */
  runDir: string;
  /** How many places to have ready; 4 unless given. */
  prepared?: number;
  /** Starts the tools, without stopping this process's event loop; they are children of this process unless given. */
  launcher?: Launcher;
  clock?: Clock;
  log: Log;
}

/** The network of an installation, with what its platform needs beyond what instances need. */
export interface OciNetwork extends InstanceNetwork {
  /** Name of the bridge's interface. */
  readonly bridge: string;
  /** `10.x.y.0/22`. */
  readonly subnet: string;
  /** Makes what is missing or differs: bridge, rules, forwarding, places. Harmless at any time: call it again now and then, for firewalls are reloaded and default routes move. */
  prepare(): Promise<void>;
  /** Changes which ports instances reach. */
  setPorts(ports: RulePorts): Promise<void>;
  /** Waits until the places that are made ahead are made. */
  settled(): Promise<void>;
  /** Lets go of the network, which stays as it is for the next who opens it. */
  close(): Promise<void>;
}

/** Makes (or finds) the bridge alone, for binding sockets on its address: one may run while another process has the network open. */
export async function prepareNetwork(options: { dataDir: string }): Promise<{ bridge: string; gateway: string }> {
  const names = networkNames(options.dataDir);
  const { context } = await prepareBridge(runTool, options.dataDir, names);
  return { bridge: names.bridge, gateway: context.gateway };
}

/** Makes (or finds) the network of an installation; one process has it open at a time. */
export async function createNetwork(options: NetworkOptions): Promise<OciNetwork> {
  const names = networkNames(options.dataDir);
  const serial = createSerial();
  let ports: RulePorts = options;
  const run = options.launcher === undefined ? runTool : briefTools(options.launcher);
  const bridge = await prepareBridge(run, options.dataDir, names);
  const { gateway } = bridge.context;
  const subnet = formatRange(bridge.subnet);
  const machineResolvConf = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  const places = await openPlaces({
    bridge,
    names,
    dir: join(options.runDir, "network"),
    prepared: options.prepared ?? 4,
    serial,
    clock: options.clock ?? systemClock,
    log: options.log,
  });

  async function applyRules(): Promise<void> {
    const script = rulesScript({
      ...ports,
      dnsPort: ports.dnsPort ?? (await dnsPort(options.dataDir)) ?? 53,
      names,
      gateway,
      subnet,
      slots: await existingSlots(names, bridge.subnet.base),
      guarded: await forward(names, ports.allowHostPorts.length > 0),
    });
    await needTool("nft", ["-f", "-"], { run, input: script });
  }

  await serial(applyRules);
  places.refill();

  return {
    gateway,
    bridge: names.bridge,
    subnet,
    attach: (id) => places.attach(id),
    attached: () => places.attached(),
    release: (id) => places.release(id),
    settled: () => places.settled(),
    close: () => places.close(),
    resolvConf: () => instanceResolvConf(gateway, machineResolvConf),
    hosts: (hostname, address) => hostsFile(hostname, address, gateway),
    prepare: async () => {
      await serial(() => prepareBridge(run, options.dataDir, names));
      await serial(applyRules);
      places.refill();
    },
    setPorts: (next) => {
      ports = next;
      return serial(applyRules);
    },
  };
}

/**
 * Removes everything of an installation's network from the machine: also where no control runs, or a reboot has taken half. What runs
 * in its namespaces must have ended. The choice of subnet stays, in the data directory.
 */
export async function destroyNetwork(paths: { dataDir: string; runDir: string }): Promise<void> {
  const names = networkNames(paths.dataDir);
  await removeSlots(runTool, names, await existingSlots(names, 0));
  const bridges = (await readdir("/sys/class/net")).filter((name) => name === names.bridge);
  await ipBatch(
    runTool,
    bridges.map((name) => `link del ${name}`),
  );
  const removed = await runTool("nft", ["-f", "-"], { input: removeScript(names) });
  if (removed.code !== 0) throw new Error(`Cannot remove nftables tables "${names.table}": ${removed.stderr.trim()}`);
  await releaseForwarding(names.hash);
  await leaveNamespaces();
  await removeDns(paths.dataDir);
  await rm(join(paths.runDir, "network"), { recursive: true, force: true });
}

function hostsFile(hostname: string, address: string, gateway: string): string {
  return [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    `${address}\t${hostname}`,
    `${gateway}\thost.elafros.internal`,
    "",
  ].join("\n");
}

function createSerial(): Serial {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => {});
    return next;
  };
}
