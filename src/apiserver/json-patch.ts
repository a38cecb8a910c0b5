import { copyJson, equalJson, isObject, setOwn } from "./json.ts";
import type { JsonObject } from "./json.ts";

/** Why a JSON patch can't be applied; the message names the operation and the path. */
export class PatchFailure extends Error {
  override readonly name = "PatchFailure";
}

/** One operation of a JSON patch. `value` belongs to add, replace and test; `from` to move and copy. */
export interface JsonPatchOperation {
  op: "add" | "remove" | "replace" | "move" | "copy" | "test";
  path: string;
  from?: string;
  value?: unknown;
}

const operations: readonly string[] = ["add", "remove", "replace", "move", "copy", "test"];
/** As the Kubernetes API server. */
const maxOperations = 10_000;

/** As much as the API server takes in one request: copying what was copied doubles a document with each operation. */
const maxCopied = 3 * 1024 * 1024;

/** The parts of a JSON pointer (RFC 6901). */
export function parsePointer(pointer: string): string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) throw new PatchFailure(`Path "${pointer}" does not start with "/"`);
  return pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The JSON pointer of these parts. */
export function formatPointer(parts: readonly string[]): string {
  return parts.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The operations of a decoded patch. Throws PatchFailure where it isn't one. */
export function parseJsonPatch(body: readonly unknown[]): JsonPatchOperation[] {
  if (body.length > maxOperations) {
    throw new PatchFailure(`The patch has ${body.length} operations: at most ${maxOperations} are allowed`);
  }
  return body.map((operation, index) => {
    if (!isObject(operation)) throw new PatchFailure(`Operation ${index} is no object`);
    const { op, path, from } = operation;
    if (typeof op !== "string" || !operations.includes(op)) {
      throw new PatchFailure(
        `Operation ${index} has the unknown op ${JSON.stringify(op)}: use ${operations.join(", ")}`,
      );
    }
    if (typeof path !== "string") throw new PatchFailure(`Operation ${index} (${op}) has no path`);
    if ((op === "move" || op === "copy") && typeof from !== "string") {
      throw new PatchFailure(`Operation ${index} (${op} ${path}) has no from`);
    }
    if ((op === "add" || op === "replace" || op === "test") && !Object.hasOwn(operation, "value")) {
      throw new PatchFailure(`Operation ${index} (${op} ${path}) has no value`);
    }
    return operation as unknown as JsonPatchOperation;
  });
}

/** JSON patch (RFC 6902): the operations applied to a copy of `target`, all or none. Throws PatchFailure. */
export function jsonPatch(target: unknown, patch: readonly JsonPatchOperation[]): unknown {
  let document = copyJson(target);
  let copied = 0;
  for (const operation of patch) {
    if (operation.op === "copy") copied += JSON.stringify(read(document, operation.from ?? "")).length;
    if (copied > maxCopied) throw new PatchFailure(`The patch copies more than ${maxCopied} bytes`);
    document = appliers[operation.op](document, operation);
  }
  return document;
}

/** What each operation makes of the document, which it may change. */
const appliers: Record<JsonPatchOperation["op"], (document: unknown, operation: JsonPatchOperation) => unknown> = {
  add: (document, { path, value }) => add(document, path, copyJson(value)),
  remove: (document, { path }) => remove(document, path),
  replace: (document, { path, value }) => {
    read(document, path);
    return path === "" ? copyJson(value) : replace(document, path, copyJson(value));
  },
  move: (document, { path, from = "" }) => {
    if (path.startsWith(`${from}/`)) throw new PatchFailure(`Cannot move "${from}" into its own child "${path}"`);
    const moved = read(document, from);
    return path === from ? document : add(remove(document, from), path, moved);
  },
  copy: (document, { path, from = "" }) => add(document, path, copyJson(read(document, from))),
  test: (document, { path, value }) => {
    if (!equalJson(read(document, path), value)) throw new PatchFailure(`testing value ${path} failed`);
    return document;
  },
};

function missing(path: string): PatchFailure {
  return new PatchFailure(`Path "${path}" does not exist`);
}

/** The position in a list; `end` allows the one past the last, which `-` names. */
function position(list: readonly unknown[], part: string, path: string, end: boolean): number {
  if (end && part === "-") return list.length;
  if (!/^(0|[1-9][0-9]*)$/.test(part)) throw new PatchFailure(`Path "${path}": "${part}" is no list index`);
  const index = Number(part);
  if (index > (end ? list.length : list.length - 1)) throw missing(path);
  return index;
}

function read(document: unknown, path: string): unknown {
  let value = document;
  for (const part of parsePointer(path)) {
    if (Array.isArray(value)) value = value[position(value, part, path, false)];
    else if (isObject(value) && Object.hasOwn(value, part)) value = value[part];
    else throw missing(path);
  }
  return value;
}

function parentOf(document: unknown, path: string): { parent: JsonObject | unknown[]; last: string } {
  const parts = parsePointer(path);
  const last = parts.pop() ?? "";
  const parent = read(document, formatPointer(parts));
  if (Array.isArray(parent) || isObject(parent)) return { parent, last };
  throw missing(path);
}

function add(document: unknown, path: string, value: unknown): unknown {
  if (path === "") return value;
  const { parent, last } = parentOf(document, path);
  if (Array.isArray(parent)) parent.splice(position(parent, last, path, true), 0, value);
  else setOwn(parent, last, value);
  return document;
}

function replace(document: unknown, path: string, value: unknown): unknown {
  const { parent, last } = parentOf(document, path);
  if (Array.isArray(parent)) parent[position(parent, last, path, false)] = value;
  else setOwn(parent, last, value);
  return document;
}

function remove(document: unknown, path: string): unknown {
  if (path === "") return null;
  read(document, path);
  const { parent, last } = parentOf(document, path);
  if (Array.isArray(parent)) parent.splice(position(parent, last, path, false), 1);
  else delete parent[last];
  return document;
}
