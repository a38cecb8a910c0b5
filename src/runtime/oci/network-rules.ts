/**
 * What instances may reach, as nftables rules. One installation's tables hold nothing but its own rules and judge nothing but packets
 * from or to its own bridge; they are replaced whole, in one transaction.
 *
 * An instance reaches the gateway, the DNS server and the opened ports on the bridge's address, and whatever the machine can route
 * to. It does not reach other instances, the machine itself, link-local addresses (169.254.169.254 tells cloud credentials), nor can
 * it send with an address that isn't its own. Nobody opens a connection to an instance but this machine.
 */
import type { NetworkNames, Slot } from "./network-names.ts";

export interface RulePorts {
  /** Ports of the bridge's address that lead to the gateway. */
  gatewayPorts: readonly number[];
  /** The port that the gateway really listens on there, where it is another. */
  gatewayTarget?: number;
  /** Ports of the machine that instances may reach at the bridge's address; they lead to 127.0.0.1. */
  allowHostPorts: readonly number[];
  /** The port of the DNS server there, 53 unless given. */
  dnsPort?: number;
}

export interface RuleSet extends RulePorts {
  names: NetworkNames;
  /** The bridge's address and subnet. */
  gateway: string;
  subnet: string;
  /** The places that exist. */
  slots: readonly Slot[];
  /** Interfaces that forward only for us: nothing new comes in by them. */
  guarded: readonly string[];
}

/** Never reached from an instance by routing: this network, loopback, link-local, multicast, reserved (RFC 6890). */
const denied = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"];

/** The script for `nft -f -` that replaces both tables. */
export function rulesScript(rules: RuleSet): string {
  const { table } = rules.names;
  return [
    ...["inet", "bridge"].map((family) => `table ${family} ${table} {}\ndelete table ${family} ${table}`),
    bridgeTable(rules),
    inetTable(rules),
  ].join("\n");
}

/** The script that removes both tables, also where one isn't there. */
export function removeScript(names: NetworkNames): string {
  return ["inet", "bridge"]
    .map((family) => `table ${family} ${names.table} {}\ndelete table ${family} ${names.table}`)
    .join("\n");
}

/** A slot as an element of the set of what each port may send as. */
function portElement(slot: Slot): string {
  return `"${slot.port}" . ${slot.mac} . ${slot.address}`;
}

/** Adds or deletes the elements of slots in the running table. */
export function elementsScript(verb: "add" | "delete", names: NetworkNames, slots: readonly Slot[]): string {
  return slots.map((slot) => `${verb} element bridge ${names.table} ports { ${portElement(slot)} }`).join("\n");
}

/** Frames from an instance: IPv4 and ARP in its own name, nothing else. */
function bridgeTable({ names, slots }: RuleSet): string {
  const elements = slots.length === 0 ? "" : `elements = { ${slots.map(portElement).join(", ")} }`;
  return `table bridge ${names.table} {
  set ports {
    type ifname . ether_addr . ipv4_addr
    ${elements}
  }
  chain prerouting {
    type filter hook prerouting priority dstnat; policy accept;
    iifname != "${names.portPrefix}*" accept
    ether type ip iifname . ether saddr . ip saddr @ports accept
    ether type arp iifname . ether saddr . arp saddr ip @ports iifname . arp saddr ether . arp saddr ip @ports accept
    drop
  }
}`;
}

function inetTable(rules: RuleSet): string {
  const { names, gateway, subnet, gatewayPorts, gatewayTarget } = rules;
  const { bridge, table } = names;
  const dnsPort = rules.dnsPort ?? 53;
  const hostPorts = rules.allowHostPorts.filter(
    (port) => ![...gatewayPorts, gatewayTarget, 53, dnsPort].includes(port),
  );
  const redirects = [
    ...(gatewayTarget === undefined
      ? []
      : gatewayPorts
          .filter((port) => port !== gatewayTarget)
          .map((port) => `ip daddr ${gateway} tcp dport ${port} redirect to :${gatewayTarget}`)),
    ...(dnsPort === 53
      ? []
      : ["udp", "tcp"].map((protocol) => `ip daddr ${gateway} ${protocol} dport 53 redirect to :${dnsPort}`)),
    ...hostPorts.map((port) => `ip daddr ${gateway} tcp dport ${port} dnat ip to 127.0.0.1`),
  ];
  const guards = rules.guarded.map(
    (name) => `iifname "${name}" oifname != "${bridge}" ct state new drop comment "forwards only for instances"`,
  );
  // TCP gets a reset, so that a program knows at once: the kernel limits how often it sends ICMP errors.
  return `table inet ${table} {
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ${redirects.map((rule) => `iifname "${bridge}" ${rule}`).join("\n    ")}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${subnet} oifname != "${bridge}" masquerade
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname != "${bridge}" accept
    meta nfproto ipv6 drop
    ct state established,related accept
    ip daddr ${gateway} icmp type echo-request accept
    ip daddr ${gateway} udp dport ${dnsPort} accept
    ip daddr ${gateway} tcp dport ${portSet([dnsPort, gatewayTarget ?? gatewayPorts].flat())} accept
    ${hostPorts.length === 0 ? "" : `ip daddr 127.0.0.1 ct original ip daddr ${gateway} tcp dport ${portSet(hostPorts)} accept`}
    jump refuse
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ${guards.join("\n    ")}
    iifname != "${bridge}" oifname != "${bridge}" accept
    meta nfproto ipv6 drop
    ct state established,related accept
    oifname "${bridge}" jump refuse
    ip saddr != ${subnet} drop
    ip daddr { ${denied.join(", ")} } jump refuse
    accept
  }
}`;
}

function portSet(ports: readonly number[]): string {
  return `{ ${[...new Set(ports)].join(", ")} }`;
}
