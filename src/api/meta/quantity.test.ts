import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cpuMilli, formatCpu, formatMemory, memoryBytes, parseQuantity } from "./quantity.ts";

describe("parseQuantity()", () => {
  test.each([
    ["1", 10n ** 9n],
    ["0", 0n],
    ["-1", -(10n ** 9n)],
    ["+.5", 5n * 10n ** 8n],
    ["1.", 10n ** 9n],
    ["1n", 1n],
    ["1u", 1000n],
    ["1500m", 1_500_000_000n],
    ["2e3", 2n * 10n ** 12n],
    ["2E-3", 2_000_000n],
    ["2E", 2n * 10n ** 27n],
    ["1Ki", 1024n * 10n ** 9n],
    ["1.5Mi", 1_572_864n * 10n ** 9n],
    ["1e-10", 1n],
  ])("reads %s", (text, nano) => {
    expect(parseQuantity(text)).toBe(nano);
  });

  test.each([
    "",
    " 1",
    "1 ",
    "1 Gi",
    "1GB",
    "1gi",
    "1K",
    "1mi",
    ".",
    "e3",
    "1e",
    "1e1000",
    "--1",
    "0x1",
    "1,5",
    "NaN",
    "1".repeat(65),
  ])("refuses %j", (text) => {
    expect(parseQuantity(text)).toBeUndefined();
  });

  test("never throws, whatever the text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const value = parseQuantity(text);
        expect(value === undefined || typeof value === "bigint").toBe(true);
      }),
    );
  });

  test("orders as numbers do", () => {
    const number = fc.integer({ min: -1_000_000, max: 1_000_000 });
    fc.assert(
      fc.property(number, number, (a, b) => {
        const [x = 0n, y = 0n] = [parseQuantity(`${a}m`), parseQuantity(`${b}m`)];
        expect(Math.sign(Number(x - y))).toBe(Math.sign(a - b));
      }),
    );
  });
});

describe("cpuMilli() and memoryBytes()", () => {
  test("round up, as Kubernetes does", () => {
    expect(cpuMilli("0.0001")).toBe(1);
    expect(cpuMilli("1.5")).toBe(1500);
    expect(cpuMilli("250m")).toBe(250);
    expect(memoryBytes("1500m")).toBe(2);
    expect(memoryBytes("64Mi")).toBe(67_108_864);
    expect(memoryBytes("lots")).toBeUndefined();
  });

  test("read what formatCpu() and formatMemory() write", () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.nat(2 ** 40), (milli, bytes) => {
        expect(cpuMilli(formatCpu(milli))).toBe(milli);
        expect(memoryBytes(formatMemory(bytes))).toBe(bytes);
        expect(memoryBytes(formatMemory(bytes * 1024))).toBe(bytes * 1024);
      }),
    );
  });

  test("formatCpu() and formatMemory() write what people write", () => {
    expect([formatCpu(500), formatCpu(2000), formatCpu(0)]).toEqual(["500m", "2", "0"]);
    expect([formatMemory(268_435_456), formatMemory(1000), formatMemory(0)]).toEqual(["256Mi", "1000", "0"]);
  });
});
