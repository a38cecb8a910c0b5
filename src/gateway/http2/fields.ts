/** Header sections of HTTP/2 (RFC 9113 §8): to and from the flat lists in which the gateway passes fields on. */
import type { OutgoingHttpHeaders } from "node:http2";

/** A request's fields as they came, flat, without the pseudo fields before them. Cookies that came one by one are one field again (§8.2.3). */
export function requestList(raw: readonly string[]): string[] {
  const list: string[] = [];
  let cookie = -1;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? "";
    const value = raw[i + 1] ?? "";
    if (name.startsWith(":")) continue;
    if (name === "cookie" && cookie >= 0) list[cookie] = `${list[cookie] ?? ""}; ${value}`;
    else {
      if (name === "cookie") cookie = list.length + 1;
      list.push(name, value);
    }
  }
  return list;
}

/** An answer's fields or its trailers, flat, without the pseudo fields before them. */
export function answerList(raw: readonly string[]): string[] {
  const list: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? "";
    if (!name.startsWith(":")) list.push(name, raw[i + 1] ?? "");
  }
  return list;
}

/**
 * Fields for Node's HTTP/2, which wants them by name: in lower case (§8.2.1), and those that stand twice as a list. `first` are the pseudo
 * fields.
 */
export function headersOf(first: OutgoingHttpHeaders, fields: readonly string[]): OutgoingHttpHeaders {
  // No name finds anything of an object's own, `__proto__` included.
  const headers = Object.assign(Object.create(null) as OutgoingHttpHeaders, first);
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] ?? "").toLowerCase();
    const value = fields[i + 1] ?? "";
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else headers[name] = [String(before), value];
  }
  return headers;
}

/** Whether Node's HTTP/2 takes an answer's fields as a list, which costs it less: from 24.7 on. */
const takesLists = ((): boolean => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > 24 || (major === 24 && minor >= 7);
})();

/** Fields of a final answer for Node's HTTP/2. `fields`: flat, and not used any more by the caller. */
export function answerHeaders(status: number, fields: string[]): OutgoingHttpHeaders | string[] {
  if (!takesLists) return headersOf({ ":status": status }, fields);
  fields.unshift(":status", String(status));
  return fields;
}

/** Bytes of a header section without its coding. */
export function sectionBytes(raw: readonly string[]): number {
  let sum = 0;
  for (const text of raw) sum += text.length;
  return sum;
}
