/**
 * Request bodies: bytes and a content type become a JSON value, or a refusal that says why. Nothing that comes out can hold
 * the key `__proto__`, nest deeper than {@link maxDepth}, or have been blown up by YAML aliases.
 */
import { ApiError } from "../api/meta/errors.ts";
import type { PatchType } from "../api/meta/service.ts";
import { isObject, type JsonObject } from "./json.ts";
import { decodeProtobuf } from "./protobuf.ts";
import { type Parsed, parseJson, parseYaml } from "./yaml.ts";

/** The most bytes of a body, as in Kubernetes. */
export const maxBodyBytes = 3 * 1024 * 1024;
/** The deepest nesting of a body. */
export const maxDepth = 200;

/** A body as it came. */
export interface RawBody {
  bytes: Buffer;
  contentType: string | undefined;
  /** Whether a browser sent it on behalf of a page: such a body must name its type, since untyped ones need no preflight. */
  fromPage: boolean;
}

type BodyFormat = "json" | "yaml" | "protobuf";

const yamlTypes = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];
/** What clients send that were told no type: curl's default for `-d`, and the generic ones. They are read as if untyped. */
const untyped = ["", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream"];
const acceptedTypes = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

function mediaType(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1).join("").trim().toLowerCase();
}

function formatOf(body: RawBody): BodyFormat {
  const type = mediaType(body.contentType);
  if (type === "application/json") return "json";
  if (yamlTypes.includes(type)) return "yaml";
  if (type === "application/vnd.kubernetes.protobuf") return "protobuf";
  if (untyped.includes(type) && !body.fromPage) return "yaml";
  throw new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${acceptedTypes}`,
  );
}

/** A decoded body, and what decoding found that isn't refused by itself: repeated fields. */
export interface DecodedBody<T> {
  value: T;
  faults: string[];
}

/** Decodes the body of a create or update. `kind` is the expected kind, for messages. Rejects with BadRequest or UnsupportedMediaType. */
export async function decodeObject(body: RawBody, kind: string): Promise<DecodedBody<JsonObject>> {
  const unrecognized = `the object provided is unrecognized (must be of type ${kind})`;
  const format = formatOf(body);
  if (format === "protobuf") return { value: decodeProtobuf(body.bytes), faults: [] };
  const text = body.bytes.toString("utf8");
  let parsed: Parsed;
  try {
    parsed = format === "json" ? parseJson(text) : await parseYaml(text);
  } catch (error) {
    throw new ApiError(
      "BadRequest",
      `${unrecognized}: couldn't get version/kind; ${format} parse error: ${reasonOf(error, text)} (${summary(body.bytes)})`,
    );
  }
  const { value, faults } = parsed;
  if (!isObject(value)) {
    const what = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
    throw new ApiError(
      "BadRequest",
      `${unrecognized}: couldn't get version/kind; ${format} parse error: ${what} instead of an object (${summary(body.bytes)})`,
    );
  }
  checkShape(value);
  return { value, faults };
}

/** Decodes an optional body (DeleteOptions); undefined where there is none. */
export async function decodeOptional(body: RawBody, kind: string): Promise<JsonObject | undefined> {
  if (body.bytes.length === 0) return undefined;
  const { value } = await decodeObject(body, kind);
  const found = value["kind"];
  if (found !== undefined && found !== kind) {
    throw new ApiError("BadRequest", `the body has kind ${JSON.stringify(found)}, expected ${kind} or no body`);
  }
  return value;
}

const patchTypes: Record<string, PatchType> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
};

/** Decodes a patch; one without a type is a strategic merge patch, and may be YAML. Rejects with BadRequest or UnsupportedMediaType. */
export async function decodePatch(body: RawBody): Promise<{ type: PatchType; body: unknown; faults: string[] }> {
  const media = mediaType(body.contentType);
  const known = Object.hasOwn(patchTypes, media) ? patchTypes[media] : undefined;
  const yaml = yamlTypes.includes(media) || (untyped.includes(media) && !body.fromPage);
  if (media === "application/apply-patch+yaml" || media === "application/apply-patch+cbor") {
    throw new ApiError(
      "UnsupportedMediaType",
      "server-side apply is not supported yet: use kubectl apply without --server-side, or one of application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json",
    );
  }
  if (known === undefined && !yaml) {
    throw new ApiError(
      "UnsupportedMediaType",
      `the body of the request was in an unknown format - accepted media types include: ${Object.keys(patchTypes).join(", ")}`,
    );
  }
  const type = known ?? "strategic";
  const text = body.bytes.toString("utf8");
  let parsed: Parsed;
  try {
    parsed = yaml ? await parseYaml(text) : parseJson(text);
  } catch (error) {
    throw new ApiError("BadRequest", `error decoding patch: ${reasonOf(error, text)}`);
  }
  const { value, faults } = parsed;
  const wanted = type === "json" ? "array" : "object";
  const found = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
  if (found !== wanted)
    throw new ApiError(
      "BadRequest",
      `error decoding patch: json: cannot unmarshal ${found} where ${type} patches have an ${wanted}`,
    );
  checkShape(value);
  return { type, body: value, faults };
}

/** The parser's words, in Kubernetes' form where they say the same: that the text ends too early. */
function reasonOf(error: unknown, text: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const at = /in JSON at position (\d+)/.exec(message)?.[1];
  if (message.startsWith("Unexpected end") || (at !== undefined && Number(at) >= text.length))
    return "unexpected end of JSON input";
  return (message.split("\n", 1)[0] ?? "").slice(0, 300);
}

/** The beginning of a body, for messages: text where it begins an object, else hexadecimal, as Kubernetes shows it. */
function summary(bytes: Buffer): string {
  if (bytes.length === 0) return "<empty>";
  const head = bytes.subarray(0, 30);
  const text = head[0] === 0x7b ? head.toString("utf8") : head.toString("hex");
  return bytes.length > 30 ? `${text} ...` : text;
}

/** Refuses what no object needs and what later steps shouldn't have to fear. Walks without recursion. */
export function checkShape(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth >= maxDepth) throw new ApiError("BadRequest", `the body nests deeper than ${maxDepth} levels`);
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item !== "object" || item === null) continue;
      if (Object.hasOwn(item, "__proto__")) {
        throw new ApiError("BadRequest", `the body has a key "__proto__", which is not allowed anywhere`);
      }
      for (const child of Object.values(item)) if (typeof child === "object" && child !== null) next.push(child);
    }
    level = next;
  }
}
