/** What Secrets and ConfigMaps have in common: keys, sizes, base64, and that they can be made immutable. */
import { isDeepStrictEqual } from "node:util";
import type { Cause } from "./meta/errors.ts";
import { at, forbidden, index, invalid, tooLarge } from "./meta/faults.ts";
import { dataKey } from "./meta/names.ts";

/** The most that all values of a Secret or ConfigMap hold together, in bytes. */
export const maxDataBytes = 1024 * 1024;

/** A map whose values are text, or bytes in base64. */
export interface DataMap {
  field: string;
  values: Record<string, string> | undefined;
  /** Where the values are base64: the field that takes plain text. */
  plainField?: string;
}

/** Standard base64 with padding; line breaks are passed over, as Go's decoder does. */
function isBase64(text: string): boolean {
  const plain = text.replaceAll(/[\r\n]/g, "");
  return plain.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(plain);
}

/** Faults of keys and values, one by one and all together. */
export function validateData(maps: readonly DataMap[]): Cause[] {
  const faults: Cause[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  for (const { field, values = {}, plainField } of maps) {
    for (const [key, value] of Object.entries(values)) {
      const place = index(field, key);
      for (const words of dataKey(key)) faults.push(invalid(place, key, words));
      if (plainField !== undefined && !isBase64(value)) {
        faults.push(invalid(place, "…", `must be base64: use ${plainField} for plain text`));
      }
      if (seen.has(key)) faults.push(invalid(place, key, "duplicate of a key present in data"));
      seen.add(key);
      bytes += plainField !== undefined ? Math.floor((value.length * 3) / 4) : Buffer.byteLength(value);
    }
  }
  if (bytes > maxDataBytes) faults.push(tooLarge(maps[0]?.field ?? "", maxDataBytes));
  return faults;
}

/** Whether the values may change: an immutable object's never do, nor does it become mutable. */
export function immutableFaults<T extends { immutable?: boolean }>(
  object: T,
  old: T | undefined,
  fields: readonly (keyof T & string)[],
): Cause[] {
  if (old?.immutable !== true) return [];
  const words = "field is immutable when `immutable` is set";
  const faults = object.immutable === true ? [] : [forbidden("immutable", words)];
  for (const field of fields) {
    if (!isDeepStrictEqual(object[field] ?? {}, old[field] ?? {})) faults.push(forbidden(at("", field), words));
  }
  return faults;
}
