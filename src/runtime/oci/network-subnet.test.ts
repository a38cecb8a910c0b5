import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddress, networkNames, parseAddress, slotAt } from "./network-names.ts";
import { chooseSubnet, formatRange, overlaps, parseRange, type Range } from "./network-subnet.ts";

const range = (text: string): Range => parseRange(text) ?? { base: 0, size: 0 };

test("parseRange() reads addresses and subnets, and neither default routes nor IPv6", () => {
  expect(formatRange(range("10.1.2.3/22"))).toBe("10.1.0.0/22");
  expect(range("10.1.2.3")).toEqual({ base: parseAddress("10.1.2.3"), size: 1 });
  expect(parseRange("default")).toBeUndefined();
  expect(parseRange("0.0.0.0/0")).toBeUndefined();
  expect(parseRange("fd00::/8")).toBeUndefined();
});

test("formatAddress() gives back what parseAddress() read", () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(formatAddress(parseAddress(text))).toBe(text);
    }),
  );
  expect(() => parseAddress("10.0.0")).toThrow("10.0.0");
  expect(() => parseAddress("10.0.0.256")).toThrow("10.0.0.256");
});

test("chooseSubnet() keeps the earlier choice while it is free", () => {
  const before = range("10.20.4.0/22");
  expect(chooseSubnet("00000000", [range("10.20.8.0/22")], before)).toBe(before);
  expect(chooseSubnet("00000000", [range("10.20.5.9")], before)).not.toEqual(before);
});

test("chooseSubnet() starts where the installation's name decides and leaves 10.0.0.0/8 where that is routed whole", () => {
  expect(formatRange(chooseSubnet("00000000", []))).toBe("10.0.0.0/22");
  expect(formatRange(chooseSubnet("00000003", []))).toBe("10.0.12.0/22");
  expect(formatRange(chooseSubnet("00000000", [range("10.0.0.0/8")]))).toBe("172.16.0.0/22");
  const all = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map(range);
  expect(() => chooseSubnet("00000000", all)).toThrow("remove a route");
});

test("chooseSubnet() never gives what is used", () => {
  const used = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 2 ** 24 - 1 }), fc.integer({ min: 10, max: 32 })).map(([low, bits]) => {
      const size = 2 ** (32 - bits);
      const address = parseAddress("10.0.0.0") + low;
      return { base: address - (address % size), size };
    }),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-f]{8}$/u), used, (hash, ranges) => {
      const chosen = chooseSubnet(hash, ranges);
      expect(ranges.some((other) => overlaps(other, chosen))).toBe(false);
    }),
  );
});

test("slotAt() gives names that fit an interface's 15 characters and differ between places and installations", () => {
  const [a, b] = ["/var/lib/elafros", "/tmp/other"].map(networkNames);
  if (a === undefined || b === undefined) throw new Error("unreachable");
  const base = parseAddress("10.0.4.0");
  const slots = [slotAt(a, base, 2), slotAt(a, base, 1022), slotAt(b, base, 2)];
  for (const slot of slots) {
    expect(slot.port.length).toBeLessThanOrEqual(15);
    expect(slot.mac).toMatch(/^02(:[0-9a-f]{2}){5}$/u);
  }
  expect(a.bridge.length).toBeLessThanOrEqual(15);
  expect(new Set(slots.flatMap(({ port, mac, netns }) => [port, mac, netns])).size).toBe(9);
  expect(slots[1]?.address).toBe("10.0.7.254");
});
