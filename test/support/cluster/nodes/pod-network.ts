/**
 * The network of Pods on this machine: the driver's, opened as a cluster's is. Every Pod reaches every other, and the API server at the bridge's
 * address; this machine reaches them all. Registries on this machine's loopback are on each Pod's, too.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { silentLog } from "../../../../src/lib/log.ts";
import { createNetwork, destroyNetwork, type OciNetwork } from "../../../../src/runtime/oci/network.ts";
import { networkNames, parseAddress } from "../../../../src/runtime/oci/network-names.ts";
import { needTool } from "../../../../src/runtime/oci/storage-run.ts";

const run = promisify(execFile);

export interface PodNetwork extends OciNetwork {
  /** Removes it; what runs in it must have ended. */
  remove(): Promise<void>;
}

/**
 * Makes it.
 * @param dir a directory of its own, which names it
 * @param shared ports of this machine's loopback that Pods find on theirs
 */
export async function createPodNetwork(dir: string, shared: readonly number[]): Promise<PodNetwork> {
  const runDir = `${dir}/run`;
  const ports = { gatewayPorts: [], allowHostPorts: shared };
  const network = await createNetwork({ dataDir: dir, runDir, prepared: 4, log: silentLog, ...ports });
  const { portPrefix, bridge, table } = networkNames(dir);
  const base = parseAddress(network.subnet.split("/", 1)[0] ?? "");
  return {
    ...network,
    async attach(id) {
      const attachment = await network.attach(id);
      const index = (parseAddress(attachment.address) - base).toString(16).padStart(4, "0");
      await run("ip", ["link", "set", `${portPrefix}${index}`, "type", "bridge_slave", "isolated", "off"]);
      if (shared.length > 0) await shareLoopback(attachment.netns, network.gateway, shared);
      return attachment;
    },
    async setPorts(next) {
      await network.setPorts({ ...next, allowHostPorts: shared });
      // Where the kernel has bridges' packets judged as routed ones are (br_netfilter).
      const rule = ["iifname", bridge, "oifname", bridge, "accept"];
      await run("nft", ["insert", "rule", "inet", table, "forward", ...rule]);
    },
    async remove() {
      await network.close();
      await destroyNetwork({ dataDir: dir, runDir });
    },
  };
}

/** Leads ports of a namespace's loopback to the bridge, where they lead to this machine's. */
async function shareLoopback(netns: string, gateway: string, ports: readonly number[]): Promise<void> {
  const rules = `table ip loopback {}
delete table ip loopback
table ip loopback {
  chain output {
    type nat hook output priority -100;
    ip daddr 127.0.0.1 tcp dport { ${ports.join(", ")} } dnat to ${gateway}
  }
  chain postrouting {
    type nat hook postrouting priority 100;
    oifname "eth0" ip saddr 127.0.0.0/8 masquerade
  }
}`;
  const inside = [`--net=${netns}`, "--"];
  await needTool("nsenter", [...inside, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"], {});
  await needTool("nsenter", [...inside, "nft", "-f", "-"], { input: rules });
}
