import { copyJson, isObject, setOwn } from "./json.ts";
import type { JsonObject } from "./json.ts";

/** JSON merge patch (RFC 7386): `target` with `patch` merged in, as a new value. Null removes, lists are replaced. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return copyJson(patch);
  const result: JsonObject = {};
  if (isObject(target)) {
    for (const [name, value] of Object.entries(target)) {
      if (!Object.hasOwn(patch, name)) setOwn(result, name, copyJson(value));
      else if (patch[name] !== null) setOwn(result, name, mergePatch(value, patch[name]));
    }
  }
  for (const [name, value] of Object.entries(patch)) {
    if (value !== null && !(isObject(target) && Object.hasOwn(target, name))) {
      setOwn(result, name, mergePatch(undefined, value));
    }
  }
  return result;
}
