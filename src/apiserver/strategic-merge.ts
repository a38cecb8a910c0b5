/**
 * Strategic merge patch, as the Kubernetes API server applies it: like a merge patch, but lists merge where the kind's schema
 * says so (`x-kubernetes-list-type`): `map` by the first of `x-kubernetes-list-map-keys`, `set` as a union; others are replaced.
 * Directives: `$patch: replace|delete|merge`, `$retainKeys`, `$setElementOrder/FIELD`, `$deleteFromPrimitiveList/FIELD`.
 */
import type { Schema } from "../api/meta/kind.ts";
import { copyJson, isObject, setOwn } from "./json.ts";
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
  checkLength(value, schema);
  const existing: unknown[] = Array.isArray(target) ? target : [];
  const key = mergeKey(schema);
  if (key !== undefined) return mergeByKey(existing, value, { key, schema: schema?.items });
  if (schema?.["x-kubernetes-list-type"] === "set") return unique([...existing, ...value]);
  return withoutDirectives(value);
}

/** A list that can add all that the schema allows and delete as much needs no more elements than this. */
function checkLength(list: readonly unknown[], schema: Schema | undefined): void {
  const most = 2 * (schema?.maxItems ?? 5_000);
  if (list.length > most)
    throw new PatchFailure(`A list of the patch has ${list.length} elements: at most ${most} make sense`);
}

function mergeKey(schema: Schema | undefined): string | undefined {
  return schema?.["x-kubernetes-list-type"] === "map" ? schema["x-kubernetes-list-map-keys"]?.[0] : undefined;
}

/**
 * What an element is told apart by: its key, or itself. As text, so that lists of any length merge in one pass: a patch's
 * lists are as long as its sender likes.
 */
function identity(item: unknown, key: string | undefined): string {
  return JSON.stringify(key !== undefined && isObject(item) ? item[key] : item) ?? "";
}

function unique(list: readonly unknown[]): unknown[] {
  return [...new Map(list.map((item) => [identity(item, undefined), item])).values()];
}

function mergeByKey(
  target: readonly unknown[],
  patch: readonly unknown[],
  { key, schema }: { key: string; schema: Schema | undefined },
): unknown[] {
  const items = patch.map((item) => {
    if (isObject(item)) return item;
    throw new PatchFailure(`${JSON.stringify(item)} is no object, and the list merges by "${key}"`);
  });
  if (items.some((item) => item[directive] === "replace")) {
    return items.filter((item) => item[directive] === undefined).map((item) => withoutDirectives(item));
  }
  const result = new Map(target.map((item) => [identity(item, key), item]));
  for (const item of items) {
    if (item[key] === undefined) {
      throw new PatchFailure(`${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    }
    const id = identity(item, key);
    const existing = result.get(id);
    if (item[directive] === "delete") result.delete(id);
    else result.set(id, isObject(existing) ? strategicMerge(existing, item, schema) : withoutDirectives(item));
  }
  return [...result.values()];
}

function deletePrimitives(result: JsonObject, name: string, values: unknown): void {
  const list = ownOrAbsent(result, name);
  if (!Array.isArray(values)) throw new PatchFailure(`${deleteFromList}${name} is no list`);
  checkLength(values, undefined);
  if (!Array.isArray(list)) return;
  const gone = new Set(values.map((value) => identity(value, undefined)));
  const kept: unknown[] = list.filter((item) => !gone.has(identity(item, undefined)));
  setOwn(result, name, kept);
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
    checkLength(order, listSchema);
    const before = ownOrAbsent(target, name);
    setOwn(result, name, inOrder(list, { key, order, before: Array.isArray(before) ? before : [] }));
  }
}

/** Where each element stands in a list; of equal ones the first. */
function places(list: readonly unknown[], key: string | undefined): Map<string, number> {
  const found = new Map<string, number>();
  for (const [place, item] of list.entries()) {
    const id = identity(item, key);
    if (!found.has(id)) found.set(id, place);
  }
  return found;
}

function inOrder(
  list: readonly unknown[],
  { key, order, before }: { key: string | undefined; order: readonly unknown[]; before: readonly unknown[] },
): unknown[] {
  const [ordered, stood] = [places(order, key), places(before, key)];
  const elements = list.map((item) => {
    const id = identity(item, key);
    return { item, wanted: ordered.get(id), stood: stood.get(id) };
  });
  const wanted = elements
    .filter((element) => element.wanted !== undefined)
    .sort((a, b) => (a.wanted ?? 0) - (b.wanted ?? 0));
  const result: unknown[] = [];
  let next = 0;
  for (const rest of elements.filter((element) => element.wanted === undefined)) {
    for (let ours = wanted[next]; ours !== undefined && !stoodBefore(rest, ours); ours = wanted[next]) {
      result.push(ours.item);
      next += 1;
    }
    result.push(rest.item);
  }
  return [...result, ...wanted.slice(next).map(({ item }) => item)];
}

/** Whether both were there and the first stood before the second. */
function stoodBefore(a: { stood: number | undefined }, b: { stood: number | undefined }): boolean {
  return a.stood !== undefined && b.stood !== undefined && a.stood < b.stood;
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
