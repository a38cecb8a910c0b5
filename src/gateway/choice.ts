/**
 * Where a request goes by what it says, before the split: by a header or cookie that a target matches, or to the target that its client stays
 * with. Clients are told apart by a key; the key's hash says which hundredth of all keys it is in, and the table which target has that
 * hundredth. Only requests of Routes that ask for it come here.
 */
import { randomBytes } from "node:crypto";
import type { HostEntry } from "../routing/table.ts";
import type { Affinity, AffinityKey, RequestTest } from "../routing/traffic.ts";

/** What a front knows of a request. */
export interface RequestFields {
  /** The value of a header field, its name in lower case; undefined without one. Lines of one name are one list. */
  field(name: string): string | undefined;
}

/** Reads what is asked for of a request once, however many tests ask: a client could send long fields. */
export class RequestReader {
  readonly #request: RequestFields;
  readonly #fields = new Map<string, string | undefined>();
  #cookies: Map<string, string> | undefined;

  constructor(request: RequestFields) {
    this.#request = request;
  }

  field(name: string): string | undefined {
    if (!this.#fields.has(name)) this.#fields.set(name, this.#request.field(name));
    return this.#fields.get(name);
  }

  /** A cookie's value as it stands (RFC 6265 §4.2); of several with the name, the first. */
  cookie(name: string): string | undefined {
    return (this.#cookies ??= cookiesIn(this.#request.field("cookie") ?? "")).get(name);
  }
}

function cookiesIn(text: string): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const part of text.split(";")) {
    const at = part.indexOf("=");
    const name = part.slice(0, Math.max(0, at)).trim();
    if (at >= 0 && !cookies.has(name)) cookies.set(name, part.slice(at + 1).trim());
  }
  return cookies;
}

/** Tries to make a key of a target with one hundredth: that all fail has a chance of 10⁻²². */
const mostTries = 5_000;
const slotCount = 100;

/** The Revision that the request matches; undefined if it matches none. */
export function matched({ match }: HostEntry, request: RequestReader): string | undefined {
  return match?.find(({ tests }) => tests.some((test) => holds(test, request)))?.revision;
}

/** The index of the target that the request's client stays with; undefined if the request has no key. */
export function stuckTo({ key, slots }: Affinity, request: RequestReader): number | undefined {
  const value = valueOf(key, request);
  return value === undefined || value === "" ? undefined : slots[slotOf(value)];
}

/**
 * The `Set-Cookie` value (RFC 6265 §4.1) by which a client without a key stays with the target that it got by the split; undefined where
 * clients are told apart by a header.
 * @param secure the request came over HTTPS: the client must not send the cookie by anything else
 */
export function stickyCookie({ key, slots }: Affinity, target: number, secure: boolean): string | undefined {
  if (!("cookie" in key)) return undefined;
  const base = randomBytes(12).toString("base64url");
  for (let i = 0; i < mostTries; i++) {
    const value = `${base}.${i.toString(36)}`;
    if (slots[slotOf(value)] !== target) continue;
    const age = key.maxAgeSeconds > 0 ? `; Max-Age=${key.maxAgeSeconds}` : "";
    return `${key.cookie}=${value}; Path=/${age}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
  }
  return undefined;
}

/** The name of the cookie that a `Set-Cookie` value sets. */
export function cookieName(setCookie: string): string {
  return setCookie.slice(0, Math.max(0, setCookie.indexOf("=")));
}

/** Which of 100 equal parts of all keys this one is in: 32 bits of FNV-1a, mixed by the last steps of MurmurHash3. */
export function slotOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return Math.floor((((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * slotCount);
}

function holds(test: RequestTest, request: RequestReader): boolean {
  if ("cookie" in test) return request.cookie(test.cookie) === test.exact;
  const value = request.field(test.header);
  return value !== undefined && ("prefix" in test ? value.startsWith(test.prefix) : value === test.exact);
}

function valueOf(key: AffinityKey, request: RequestReader): string | undefined {
  return "cookie" in key ? request.cookie(key.cookie) : request.field(key.header);
}
