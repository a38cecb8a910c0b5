/**
 * Reads Kubernetes' protobuf bodies. `kubectl` sends them for its typed requests (`auth can-i`, `create token`, `create secret`)
 * and has no way back to JSON. Answers are JSON: every such client accepts that. Only the kinds of `protobuf-messages.ts` are known.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

import { ApiError } from "../api/meta/errors.ts";
import { type Field, type Message, messages } from "./protobuf-messages.ts";

/** Every body begins so; a `runtime.Unknown` follows. */
const magic = Buffer.from("k8s\0", "latin1");

type Json = Record<string, unknown>;

const unknownMessage: Message = {
  1: { name: "typeMeta", type: { 1: { name: "apiVersion", type: "string" }, 2: { name: "kind", type: "string" } } },
  2: { name: "raw", type: "raw" },
  3: { name: "contentEncoding", type: "string" },
};

/** Decodes a body into the object that it would be in JSON. Rejects with BadRequest, or UnsupportedMediaType for other kinds. */
export function decodeProtobuf(bytes: Buffer): Json {
  if (!bytes.subarray(0, magic.length).equals(magic)) {
    throw new ApiError(
      "BadRequest",
      "provided data does not appear to be a protobuf message, expected prefix 'k8s\\0'",
    );
  }
  let kind: string;
  let apiVersion: string;
  try {
    const envelope = readMessage(bytes.subarray(magic.length), unknownMessage);
    const meta = (envelope["typeMeta"] ?? {}) as Json;
    kind = typeof meta["kind"] === "string" ? meta["kind"] : "";
    apiVersion = typeof meta["apiVersion"] === "string" ? meta["apiVersion"] : "";
    const message = Object.hasOwn(messages, kind) ? messages[kind] : undefined;
    if (message !== undefined && (envelope["contentEncoding"] ?? "") === "") {
      const raw = envelope["raw"] instanceof Uint8Array ? envelope["raw"] : new Uint8Array();
      return { apiVersion, kind, ...readMessage(raw, message) };
    }
  } catch (error) {
    throw new ApiError("BadRequest", "the body is not a valid protobuf message", { cause: error });
  }
  throw new ApiError(
    "UnsupportedMediaType",
    `protobuf bodies of kind ${JSON.stringify(kind)} are not read: send application/json`,
  );
}

function readMessage(bytes: Uint8Array, message: Message): Json {
  const reader = new BinaryReader(bytes);
  const result: Json = {};
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = message[number];
    if (field === undefined || !wireFits(field, wire)) reader.skip(wire, number);
    else readField(reader, field, result);
  }
  return result;
}

function wireFits(field: Field, wire: WireType): boolean {
  const varint = field.map === undefined && (field.type === "integer" || field.type === "boolean");
  return wire === (varint ? WireType.Varint : WireType.LengthDelimited);
}

function readField(reader: BinaryReader, field: Field, into: Json): void {
  const { name } = field;
  if (field.map !== undefined) {
    const entry = readMessage(reader.bytes(), {
      1: { name: "key", type: "string" },
      2: { name: "value", type: field.map },
    });
    const map = (into[name] ??= {}) as Json;
    Object.defineProperty(map, typeof entry["key"] === "string" ? entry["key"] : "", {
      value: entry["value"] ?? "",
      enumerable: true,
      writable: true,
      configurable: true,
    });
    return;
  }
  const value = readValue(reader, field);
  if (field.repeated === true) {
    const list = (into[name] ??= []) as unknown[];
    list.push(value);
    // Go writes every field that isn't a pointer: empty ones are those that JSON leaves out.
  } else if (value !== "" && value !== 0 && value !== undefined) into[name] = value;
}

function readValue(reader: BinaryReader, { type }: Field): unknown {
  switch (type) {
    case "string":
      return reader.string();
    case "integer":
      return Number(reader.int64());
    case "boolean":
      return reader.bool();
    case "bytes":
      return Buffer.from(reader.bytes()).toString("base64");
    case "raw":
      return reader.bytes();
    case "time":
      return readTime(reader.bytes(), 19);
    case "microTime":
      return readTime(reader.bytes(), 23);
    default:
      return readMessage(reader.bytes(), type);
  }
}

function readTime(bytes: Uint8Array, digits: number): string | undefined {
  const { seconds = 0, nanos = 0 } = readMessage(bytes, {
    1: { name: "seconds", type: "integer" },
    2: { name: "nanos", type: "integer" },
  }) as { seconds?: number; nanos?: number };
  const ms = seconds * 1000 + nanos / 1e6;
  if (ms === 0 || Math.abs(ms) > 8.64e15) return undefined;
  const text = new Date(ms).toISOString();
  return digits === 19 ? `${text.slice(0, 19)}Z` : `${text.slice(0, 23)}000Z`;
}
