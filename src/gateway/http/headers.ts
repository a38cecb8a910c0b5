/**
 * Which header fields pass, which don't, and which are ours. Lists are flat, as Node's `rawHeaders`: name, value, name, value, so that
 * names keep their case, and fields that stand twice stay twice.
 */
import { aboutClient, hopByHop, isControl, isForged } from "../../lib/header-fields.ts";

/** Fields that can't stand in trailers because they change how the message is framed, routed or understood (RFC 9110 §6.5.1). */
const notInTrailers = new Set([
  "content-length",
  "content-encoding",
  "content-type",
  "content-range",
  "host",
  "trailer",
  "set-cookie",
  "authorization",
  "cache-control",
  "expect",
  "max-forwards",
  "te",
]);

export interface ClientFacts {
  /** Address of the client's connection. */
  address: string;
  /** Host, and port if there was one, that the client asked for. */
  authority: string;
  protocol: "http" | "https";
}

/** The names that this message's `Connection` fields declare to be of this hop only; undefined when none does. */
function connectionNames(raw: readonly string[]): Set<string> | undefined {
  let names: Set<string> | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() !== "connection") continue;
    for (const part of (raw[i + 1] ?? "").split(",")) {
      const name = part.trim().toLowerCase();
      if (name === "close" || name === "keep-alive" || name === "") continue;
      names ??= new Set();
      names.add(name);
    }
  }
  // A client must not make the gateway drop what frames or routes the message by calling it its own.
  names?.delete("content-length");
  names?.delete("host");
  return names;
}

/**
 * The request's fields for the app, without its id and without framing: the caller adds `X-Request-Id`, and `Content-Length` or `Transfer-Encoding`
 * as the body needs.
 */
export function requestFields(raw: readonly string[], client: ClientFacts): string[] {
  const own = connectionNames(raw);
  const out = ["Host", client.authority];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? "";
    const value = raw[i + 1] ?? "";
    const lower = name.toLowerCase();
    if (lower === "te" && /(?:^|,)\s*trailers\s*(?:$|[,;])/i.test(value)) out.push("TE", "trailers");
    if (hopByHop.has(lower) || aboutClient.has(lower) || lower === "content-length" || isControl(lower)) continue;
    // Some apps read `X_Forwarded_For` as `X-Forwarded-For`: such twins of our own fields go, too.
    if (lower.includes("_") && isForged(lower.replaceAll("_", "-"))) continue;
    if (own?.has(lower) === true) continue;
    out.push(name, value);
  }
  const node = client.address.includes(":") ? `"[${client.address}]"` : client.address;
  out.push("Forwarded", `for=${node};host="${client.authority}";proto=${client.protocol}`);
  out.push("X-Forwarded-For", client.address, "X-Forwarded-Host", client.authority);
  out.push("X-Forwarded-Proto", client.protocol, "X-Real-Ip", client.address);
  return out;
}

/** The value of a request's field, `name` in lower case; undefined where it has none that passes. Lines of one name are one list (RFC 9110 §5.3). */
export function fieldOf(raw: readonly string[], name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() !== name) continue;
    const line = raw[i + 1] ?? "";
    value = value === undefined ? line : `${value}${name === "cookie" ? "; " : ", "}${line}`;
  }
  return value === undefined || connectionNames(raw)?.has(name) === true ? undefined : value;
}

/** What passes to the client of an answer's fields; the request's id comes to them. */
export function answerFields(raw: readonly string[]): string[] {
  const own = connectionNames(raw);
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? "";
    const lower = name.toLowerCase();
    // An app can't speak for the platform, nor name another request.
    if (hopByHop.has(lower) || lower.startsWith("elafros-") || lower === "x-request-id") continue;
    if (own?.has(lower) === true) continue;
    out.push(name, raw[i + 1] ?? "");
  }
  return out;
}

/** Whether an answer's fields set the cookie of that name. */
export function setsCookie(fields: readonly string[], name: string): boolean {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() !== "set-cookie") continue;
    const [first = ""] = (fields[i + 1] ?? "").split("=", 1);
    if (first.trim() === name) return true;
  }
  return false;
}

/** Trailer fields that may pass, as pairs. */
export function trailerFields(raw: readonly string[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? "";
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || aboutClient.has(lower) || notInTrailers.has(lower) || isControl(lower)) continue;
    out.push([name, raw[i + 1] ?? ""]);
  }
  return out;
}

/** Why a request's fields are ambiguous or too many, so that two servers could read it differently; undefined when they are fine. */
export function fieldFault(raw: readonly string[], most: number): "TooManyFields" | "AmbiguousRequest" | undefined {
  if (raw.length / 2 > most) return "TooManyFields";
  let hosts = 0;
  let lengths = 0;
  let codings = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? "";
    // Only these lengths need the lower case.
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
    else if (name.length === 14 && name.toLowerCase() === "content-length") lengths++;
    else if (name.length === 17 && name.toLowerCase() === "transfer-encoding") {
      codings++;
      if ((raw[i + 1] ?? "").toLowerCase() !== "chunked") return "AmbiguousRequest";
    }
  }
  return hosts > 1 || lengths > 1 || codings > 1 || (lengths > 0 && codings > 0) ? "AmbiguousRequest" : undefined;
}

const sane = /^[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,127}$/;

/** Whether a client's `X-Request-Id` is one to go on with: short, and safe in logs and headers. */
export function isSaneRequestId(value: string | string[] | undefined): value is string {
  return typeof value === "string" && sane.test(value);
}
