/** Header field names as the scanner sees them: which bytes they may have, and which of them mean something to the gateway. */
import { aboutClient, hopByHop } from "../../lib/header-fields.ts";

/** What a field is to the gateway. */
export const kind = {
  /** Passes. */
  plain: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  te: 6,
  upgrade: 7,
  /** Of one hop only, and nothing that the gateway acts on. */
  hop: 8,
  expect: 9,
  requestId: 10,
  /** Speaks of the client: only the gateway's word passes. */
  client: 11,
  /** `elafros-…`: between the platform's parts. */
  platform: 12,
  /** `k-…`: the same in requests, an app's own in answers. */
  knative: 13,
  date: 14,
  /** Has an underscore: some apps would read it as another field. */
  underscored: 15,
} as const;

interface Known {
  name: string;
  kind: number;
}

const special: Record<string, number> = {
  host: kind.host,
  "content-length": kind.contentLength,
  "transfer-encoding": kind.transferEncoding,
  connection: kind.connection,
  "keep-alive": kind.keepAlive,
  te: kind.te,
  upgrade: kind.upgrade,
  expect: kind.expect,
  "x-request-id": kind.requestId,
  date: kind.date,
};

/** By byte: its lower case if a field name may have it (RFC 9110 §5.6.2), else 0. */
export const nameBytes = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
  nameBytes[char.charCodeAt(0)] = char.charCodeAt(0);
for (let byte = 0x41; byte <= 0x5a; byte++) nameBytes[byte] = byte + 0x20;

/** By byte: 1 if a field value may have it (RFC 9110 §5.5). */
export const valueBytes = new Uint8Array(256).fill(1, 0x20).fill(0, 0x7f, 0x80);
valueBytes[0x09] = 1;

/** One step of the hash by which names are found. */
export function hashStep(hash: number, lower: number): number {
  return (Math.imul(hash, 31) + lower) | 0;
}

const byHash = new Map<number, Known>();
for (const name of new Set([...hopByHop, ...aboutClient, ...Object.keys(special)])) {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i));
  if (byHash.has(hash)) throw new Error(`"${name}" has the hash of another known field`);
  byHash.set(hash, { name, kind: special[name] ?? (hopByHop.has(name) ? kind.hop : kind.client) });
}

/** What the name is that begins at `start`: `hash` over its lower case, `length` bytes long. */
export function kindOf(bytes: Uint8Array, start: number, { hash, length }: { hash: number; length: number }): number {
  const known = byHash.get(hash);
  if (known !== undefined && known.name.length === length && isName(bytes, start, known.name)) return known.kind;
  const first = nameBytes[bytes[start] ?? 0];
  if (first === 0x65 && isName(bytes, start, "elafros-")) return kind.platform;
  if (first === 0x6b && bytes[start + 1] === 0x2d) return kind.knative;
  return kind.plain;
}

/** Whether the lower-case name, or beginning of one, stands at `start`. What follows the name in `bytes` is no name byte. */
function isName(bytes: Uint8Array, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if (nameBytes[bytes[start + i] ?? 0] !== name.charCodeAt(i)) return false;
  return true;
}
