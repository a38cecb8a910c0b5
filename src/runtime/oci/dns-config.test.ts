import { expect, test } from "vitest";
import { dnsmasqConfig, dnsmasqHosts, instanceResolvConf } from "./dns-config.ts";

const settings = { gateway: "10.1.0.1", port: 53, domain: "example.org", dir: "/run/x", user: "dnsmasq" };

test("dnsmasqConfig() answers the domain, binds the bridge alone and asks the machine's resolvers", () => {
  const lines = dnsmasqConfig(settings).split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      "listen-address=10.1.0.1",
      "bind-interfaces",
      "address=/example.org/10.1.0.1",
      "resolv-file=/etc/resolv.conf",
      "user=dnsmasq",
    ]),
  );
  expect(lines.join("\n")).not.toContain("host-record=localhost");
  expect(dnsmasqConfig({ ...settings, domain: "localhost" })).toContain("host-record=localhost,127.0.0.1,::1\n");
});

test("dnsmasqHosts() writes each name once, sorted, and nothing that isn't a name", () => {
  const names = ["b.default", "a.default", "b.default", "A.default", "x y", "n\n1.2.3.4 evil", "", "-a.b"];
  expect(dnsmasqHosts("10.1.0.1", names)).toBe("10.1.0.1 a.default\n10.1.0.1 b.default\n");
});

test.each([
  ["", "nameserver 10.1.0.1\n"],
  [
    "nameserver 9.9.9.9\nsearch corp.example eu.corp.example \noptions ndots:5\n",
    "nameserver 10.1.0.1\nsearch corp.example eu.corp.example\n",
  ],
  ["search .\n", "nameserver 10.1.0.1\n"],
  ["domain a.example\nsearch b.example\n", "nameserver 10.1.0.1\nsearch b.example\n"],
])("instanceResolvConf() keeps the machine's search list of %j", (machine, expected) => {
  expect(instanceResolvConf("10.1.0.1", machine)).toBe(expected);
});
