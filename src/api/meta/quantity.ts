/**
 * Quantities of Kubernetes (apimachinery `resource.Quantity`): `500m`, `1.5`, `128Mi`, `2e3`. Exact down to 10⁻⁹, rounded up
 * beyond that, as there.
 */

import type { Check } from "./names.ts";

const grammar = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?$/;

const binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const decimalPower: Record<string, number> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

/** What Kubernetes says of a string that is no quantity. */
const quantityWords = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** The largest quantity: what whole numbers of JSON hold exactly. */
const maxNano = BigInt(Number.MAX_SAFE_INTEGER) * 10n ** 9n;

/** The check of an amount (not negative) or a limit (not zero either: nothing could run, and the system takes 0 for no limit). */
export function quantityCheck(meaning: "amount" | "limit"): Check {
  return (text) => {
    const nano = parseQuantity(text);
    if (nano === undefined) return [quantityWords];
    if (nano < 0n) return ["must be greater than or equal to 0"];
    if (nano === 0n && meaning === "limit") return ["must be greater than 0: leave it out for no limit"];
    return nano > maxNano ? ["must be less than 8Pi"] : [];
  };
}

/** A quantity in units of 10⁻⁹; `undefined` where it is none. Longer than 64 characters is none. */
export function parseQuantity(text: string): bigint | undefined {
  if (text.length > 64) return undefined;
  const match = grammar.exec(text);
  if (match === null) return undefined;
  const [, sign = "", number = "", suffix = "", exponent = ""] = match;
  const [whole = "", fraction = ""] = number.split(".");
  const digits = BigInt(whole + fraction);
  const base = binary.includes(suffix) ? 1024n ** BigInt(binary.indexOf(suffix) + 1) : 1n;
  const power = 9 - fraction.length + (decimalPower[suffix] ?? 0) + (exponent === "" ? 0 : Number(exponent));
  const scaled = digits * base;
  const nano = power >= 0 ? scaled * 10n ** BigInt(power) : divideUp(scaled, 10n ** BigInt(-power));
  return sign === "-" ? -nano : nano;
}

function divideUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}

function unitsUp(text: string, unit: bigint): number | undefined {
  const nano = parseQuantity(text);
  if (nano === undefined) return undefined;
  return Number(nano < 0n ? -(-nano / unit) : divideUp(nano, unit));
}

/** A quantity of cpu in thousandths of a core, rounded up; `undefined` where it is none. */
export function cpuMilli(text: string): number | undefined {
  return unitsUp(text, 1_000_000n);
}

/** A quantity of memory in bytes, rounded up; `undefined` where it is none. */
export function memoryBytes(text: string): number | undefined {
  return unitsUp(text, 1_000_000_000n);
}

/** Thousandths of a core as a quantity: `500m`, `2`. */
export function formatCpu(milli: number): string {
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}

/** Bytes as a quantity with the largest binary suffix that is exact: `256Mi`, `1000`. */
export function formatMemory(bytes: number): string {
  let value = bytes;
  let suffix = "";
  for (const larger of binary) {
    if (value === 0 || value % 1024 !== 0) break;
    value /= 1024;
    suffix = larger;
  }
  return `${value}${suffix}`;
}

/** Writes the named quantities of a map, where they are numbers, as text. */
export function numbersToText(map: Record<string, unknown>, names: readonly string[]): void {
  for (const name of names) {
    if (typeof map[name] === "number") map[name] = String(map[name]);
  }
}
