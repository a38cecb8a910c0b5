/** The text of a request's head for an app, from fields that another parser than ours has read: each is proved before it is written. */
import type { CallOptions } from "./call.ts";

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What no field value has (RFC 9110 §5.5), and no target that can be written in a request line. */
const notInValue = /[^\t\u0020-\u007e\u0080-\u00ff]/;
const notInTarget = /[^\u0021-\u007e\u0080-\u00ff]/;

/** A whole head, each character a byte. Throws where the method, the path or a field can't be written. */
export function appHead({ method, path, fields, requestId, hasBody, length }: CallOptions): string {
  if (!token.test(method) || path === "" || notInTarget.test(path)) throw new Error("Not a request line");
  let text = `${method} ${path} HTTP/1.1\r\n${fields.lines}${line("X-Request-Id", requestId)}`;
  if (length !== undefined) {
    if (!/^\d{1,15}$/.test(length)) throw new Error("Not a length");
    text += `Content-Length: ${length}\r\n`;
  } else if (hasBody) text += "Transfer-Encoding: chunked\r\n";
  else if (method === "POST" || method === "PUT" || method === "PATCH") text += "Content-Length: 0\r\n";
  return `${text}\r\n`;
}

/** Throws where a field can't be written. */
export function fieldLines(fields: readonly string[]): string {
  let text = "";
  for (let i = 0; i < fields.length; i += 2) text += line(fields[i] ?? "", fields[i + 1] ?? "");
  return text;
}

/** Trailers as lines; those that can't be written are left out, since the rest has gone. */
export function trailerText(trailers: readonly [string, string][]): string {
  let text = "";
  for (const [name, value] of trailers)
    if (token.test(name) && !notInValue.test(value)) text += `${name}: ${value}\r\n`;
  return text;
}

function line(name: string, value: string): string {
  if (!token.test(name) || notInValue.test(value)) throw new Error(`Not a field: ${name}`);
  return `${name}: ${value}\r\n`;
}
