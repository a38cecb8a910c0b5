/**
 * What `invoke` sends: pure, from options and bytes to one HTTP request. Events are sent in the HTTP binding's binary mode
 * (CloudEvents 1.0.2, HTTP protocol binding §3.1): attributes as `ce-` headers, the data as the body.
 */

interface EventOptions {
  type: string;
  source?: string | undefined;
  id?: string | undefined;
}

/** What is known before it is sent. */
export interface MessageParts {
  method?: string | undefined;
  headers: readonly (readonly [string, string])[];
  body?: Buffer | undefined;
  event?: EventOptions | undefined;
  /** Milliseconds since the epoch, for `ce-time`. */
  now: number;
  /** For `ce-id` where none is given. */
  newId: () => string;
}

export interface Message {
  method: string;
  /** Lower case names; a repeated one has several values. */
  headers: Record<string, string | string[]>;
  body?: Buffer;
}

/** Where an event comes from that names no other source: a URI reference, as the specification asks for. */
const defaultEventSource = "elafros/cli";

/** Headers given by the person win over what is chosen here. */
export function makeMessage({ method, headers, body, event, now, newId }: MessageParts): Message {
  const chosen: Record<string, string | string[]> = {
    accept: "*/*",
    "user-agent": "elafros",
    ...(body === undefined ? {} : { "content-type": contentTypeOf(body) }),
    ...(event === undefined ? {} : eventHeaders(event, now, newId)),
  };
  const own: Record<string, string[]> = {};
  for (const [name, value] of headers) own[name.toLowerCase()] = [...(own[name.toLowerCase()] ?? []), value];
  for (const [name, values] of Object.entries(own)) chosen[name] = values.length === 1 ? (values[0] ?? "") : values;
  return {
    method: method ?? (body === undefined && event === undefined ? "GET" : "POST"),
    headers: chosen,
    ...(body === undefined ? {} : { body }),
  };
}

function eventHeaders({ type, source, id }: EventOptions, now: number, newId: () => string): Record<string, string> {
  return {
    "ce-specversion": "1.0",
    "ce-type": attribute(type),
    "ce-source": attribute(source ?? defaultEventSource),
    "ce-id": attribute(id ?? newId()),
    "ce-time": new Date(now).toISOString(),
  };
}

/** Attribute values are percent-encoded where a header can't hold them as they are (§3.1.3.2). */
function attribute(value: string): string {
  return value.replace(/[^\u0021-\u007E]|["%]/gu, (character) =>
    [...Buffer.from(character, "utf8")].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}

/** JSON and text are recognised; anything else is just bytes. */
function contentTypeOf(body: Buffer): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return "application/octet-stream";
  }
  try {
    JSON.parse(text);
    return "application/json";
  } catch {
    return "text/plain; charset=utf-8";
  }
}
