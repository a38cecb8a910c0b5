/**
 * Strategic merge patch, as the Kubernetes API server applies it: like a merge patch, but lists merge where the kind's schema
 * says so (`x-kubernetes-list-type`): `map` by the first of `x-kubernetes-list-map-keys`, `set` as a union; others are replaced.
 * Directives: `$patch: replace|delete|merge`, `$retainKeys`, `$setElementOrder/FIELD`, `$deleteFromPrimitiveList/FIELD`.
 */
import type { Schema } from "../api/meta/kind.ts";
import { copyJson, equalJson, isObject, setOwn } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { PatchFailure } from "./json-patch.ts";

const directive = "$patch";
const retainKeys = "$retainKeys";
const elementOrder = "$setElementOrder/";
const deleteFromList = "$deleteFromPrimitiveList/";

/** `target` with `patch` merged in, as a new value. `schema` is that of the whole. Throws PatchFailure. */
export function strategicMerge(target: JsonObject, patch: JsonObject, schema: Schema | undefined): JsonObject {
  switch (patch[directive]) {
    case undefined:
    case "merge":
      break;
    case "replace":
      return withoutDirectives(patch) as JsonObject;
    case "delete":
      return {};
    default:
      throw new PatchFailure(
        `Unknown value of $patch: ${JSON.stringify(patch[directive])}: use merge, replace or delete`,
      );
  }
  const result = retain(target, patch);
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith("$")) continue;
    if (value === null) delete result[name];
    else setOwn(result, name, mergeField(ownOrAbsent(result, name), value, fieldSchema(schema, name)));
  }
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith(deleteFromList)) deletePrimitives(result, name.slice(deleteFromList.length), value);
  }
  orderLists(target, patch, result, schema);
  return result;
}

function ownOrAbsent(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function fieldSchema(schema: Schema | undefined, name: string): Schema | undefined {
  const { properties, additionalProperties } = schema ?? {};
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name];
  return typeof additionalProperties === "object" ? additionalProperties : undefined;
}

/** A copy of `target`, without what `$retainKeys` doesn't name. */
function retain(target: JsonObject, patch: JsonObject): JsonObject {
  const result = copyJson(target);
  const kept = patch[retainKeys];
  if (kept === undefined) return result;
  if (!Array.isArray(kept)) throw new PatchFailure("$retainKeys is no list");
  const stray = Object.entries(patch).find(
    ([key, value]) => !key.startsWith("$") && value !== null && !kept.includes(key),
  );
  if (stray !== undefined) throw new PatchFailure(`"${stray[0]}" is in the patch but not in its $retainKeys`);
  for (const name of Object.keys(result)) if (!kept.includes(name)) delete result[name];
  return result;
}

function mergeField(target: unknown, value: unknown, schema: Schema | undefined): unknown {
  if (isObject(value)) {
    return isObject(target) ? strategicMerge(target, value, schema) : withoutDirectives(value);
  }
  if (!Array.isArray(value)) return value;
  const existing: unknown[] = Array.isArray(target) ? target : [];
  const key = mergeKey(schema);
  if (key !== undefined) return mergeByKey(existing, value, { key, schema: schema?.items });
  if (schema?.["x-kubernetes-list-type"] === "set") return unique([...existing, ...value]);
  return withoutDirectives(value);
}

function mergeKey(schema: Schema | undefined): string | undefined {
  return schema?.["x-kubernetes-list-type"] === "map" ? schema["x-kubernetes-list-map-keys"]?.[0] : undefined;
}

function unique(list: readonly unknown[]): unknown[] {
  return list.filter((item, index) => list.findIndex((other) => equalJson(other, item)) === index);
}

function mergeByKey(
  target: readonly unknown[],
  patch: readonly unknown[],
  { key, schema }: { key: string; schema: Schema | undefined },
): unknown[] {
  const items = patch.map((item) => {
    if (!isObject(item))
      throw new PatchFailure(`${JSON.stringify(item)} is no object, and the list merges by "${key}"`);
    return item;
  });
  if (items.some((item) => item[directive] === "replace")) {
    return items.filter((item) => item[directive] === undefined).map((item) => withoutDirectives(item));
  }
  let result: unknown[] = [...target];
  for (const item of items) {
    if (item[key] === undefined) {
      throw new PatchFailure(`${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    }
    const index = result.findIndex((other) => isObject(other) && equalJson(other[key], item[key]));
    const existing = result[index];
    if (item[directive] === "delete")
      result = result.filter((other) => !(isObject(other) && equalJson(other[key], item[key])));
    else if (isObject(existing)) result[index] = strategicMerge(existing, item, schema);
    else result.push(withoutDirectives(item));
  }
  return result;
}

function deletePrimitives(result: JsonObject, name: string, values: unknown): void {
  const list = ownOrAbsent(result, name);
  if (!Array.isArray(values)) throw new PatchFailure(`${deleteFromList}${name} is no list`);
  if (Array.isArray(list)) {
    const kept: unknown[] = list.filter((item) => !values.some((value) => equalJson(item, value)));
    setOwn(result, name, kept);
  }
}

/** Gives merged lists their order: what `$setElementOrder` (or else the patch) names in that order, the rest where it stood. */
function orderLists(target: JsonObject, patch: JsonObject, result: JsonObject, schema: Schema | undefined): void {
  const named = Object.keys(patch).flatMap((name) =>
    name.startsWith(elementOrder) ? [name.slice(elementOrder.length)] : [],
  );
  const lists = Object.keys(patch).filter((name) => Array.isArray(patch[name]) && !name.startsWith("$"));
  for (const name of new Set([...named, ...lists])) {
    const list = ownOrAbsent(result, name);
    const listSchema = fieldSchema(schema, name);
    const key = mergeKey(listSchema);
    if (!Array.isArray(list) || (key === undefined && listSchema?.["x-kubernetes-list-type"] !== "set")) continue;
    const order = patch[`${elementOrder}${name}`] ?? patch[name];
    if (!Array.isArray(order)) throw new PatchFailure(`${elementOrder}${name} is no list`);
    const identify = (item: unknown): unknown => (key !== undefined && isObject(item) ? item[key] : item);
    const before = ownOrAbsent(target, name);
    setOwn(
      result,
      name,
      inOrder(list, order.map(identify), Array.isArray(before) ? before.map(identify) : [], identify),
    );
  }
}

function inOrder(
  list: readonly unknown[],
  order: readonly unknown[],
  before: readonly unknown[],
  identify: (item: unknown) => unknown,
): unknown[] {
  const placeIn = (places: readonly unknown[], item: unknown): number =>
    places.findIndex((place) => equalJson(place, identify(item)));
  const wanted = list.filter((item) => placeIn(order, item) >= 0).sort((a, b) => placeIn(order, a) - placeIn(order, b));
  const rest = list.filter((item) => placeIn(order, item) < 0);
  const result: unknown[] = [];
  while (wanted.length > 0 && rest.length > 0) {
    const [ours, theirs] = [placeIn(before, wanted[0]), placeIn(before, rest[0])];
    const restFirst = ours >= 0 && theirs >= 0 && theirs < ours;
    result.push(restFirst ? rest.shift() : wanted.shift());
  }
  return [...result, ...wanted, ...rest];
}

/** What a patch says where there is nothing to merge with: itself, without directives and without nulls in objects. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !(isObject(item) && item[directive] === "delete"))
      .map((item) => withoutDirectives(item));
  }
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [name, child] of Object.entries(value)) {
    if (!name.startsWith("$") && child !== null) setOwn(result, name, withoutDirectives(child));
  }
  return result;
}
