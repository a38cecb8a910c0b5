import { execFile } from "node:child_process";
import { expect, test } from "vitest";
import { networkNames, parseAddress, slotAt } from "./network-names.ts";
import { elementsScript, removeScript, type RuleSet, rulesScript } from "./network-rules.ts";

const names = networkNames("/test");
const slots = [2, 3].map((index) => slotAt(names, parseAddress("10.1.0.0"), index));
const rules: RuleSet = {
  names,
  gateway: "10.1.0.1",
  subnet: "10.1.0.0/22",
  slots,
  guarded: ["eth0"],
  gatewayPorts: [80, 8080],
  gatewayTarget: 8080,
  allowHostPorts: [5432, 80],
  dnsPort: 5353,
};

/** Whether nft takes a script; it changes nothing. */
function check(script: string): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile("nft", ["-c", "-f", "-"], (error, _, stderr) => resolve(error === null ? "fine" : stderr));
    child.stdin?.end(script);
  });
}

test.skipIf(process.getuid?.() !== 0).each<[string, Partial<RuleSet>]>([
  ["everything", {}],
  ["no places", { slots: [] }],
  ["no ports", { allowHostPorts: [], gatewayPorts: [80], guarded: [] }],
])("rulesScript() with %s is what nft takes", async (_, more) => {
  expect(await check(rulesScript({ ...rules, ...more }))).toBe("fine");
});

test("rulesScript() leads the gateway's other ports and DNS to where they listen", () => {
  const script = rulesScript(rules);
  expect(script).toContain("ip daddr 10.1.0.1 tcp dport 80 redirect to :8080");
  expect(script).not.toContain("dport 8080 redirect");
  expect(script).toContain("udp dport 53 redirect to :5353");
  expect(script).toContain("tcp dport 5432 dnat ip to 127.0.0.1");
  expect(script).not.toContain("dport 80 dnat"); // the gateway's port stays the gateway's
});

test("elementsScript() and removeScript() name this installation's tables only", () => {
  expect(elementsScript("add", names, slots.slice(0, 1))).toBe(
    `add element bridge ${names.table} ports { "${slots[0]?.port}" . ${slots[0]?.mac} . 10.1.0.2 }`,
  );
  for (const line of removeScript(names).split("\n")) expect(line).toContain(names.table);
});
