/** Looks into the first message of a TLS client, before the handshake (RFC 8446 §4.1.2, in records of §5.1). */

const handshake = 22;
const clientHello = 1;
const alpn = 16;

/**
 * Whether the client offers the protocol (RFC 7301 §3.1); undefined as long as `bytes`, the connection's first, don't tell. What isn't a hello, or
 * one in several records, offers nothing.
 */
export function offersProtocol(bytes: Buffer, protocol: string): boolean | undefined {
  if (bytes.length < 5) return bytes.length > 0 && bytes[0] !== handshake ? false : undefined;
  const end = 5 + bytes.readUInt16BE(3);
  if (bytes[0] !== handshake) return false;
  if (bytes.length < end) return undefined;
  try {
    return hasProtocol(bytes.subarray(5, end), protocol);
  } catch {
    // Cut short: the handshake itself will refuse it.
    return false;
  }
}

function hasProtocol(hello: Buffer, protocol: string): boolean {
  if (hello[0] !== clientHello) return false;
  // Type, length, version and random; then the session's id, the suites, the compressions.
  let at = 4 + 2 + 32;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  const end = at + 2 + hello.readUInt16BE(at);
  for (at += 2; at + 4 <= end;) {
    const length = hello.readUInt16BE(at + 2);
    if (hello.readUInt16BE(at) === alpn) return namesIn(hello.subarray(at + 6, at + 4 + length)).includes(protocol);
    at += 4 + length;
  }
  return false;
}

function namesIn(list: Buffer): string[] {
  const names: string[] = [];
  for (let at = 0; at < list.length; at += 1 + list.readUInt8(at)) {
    names.push(list.toString("latin1", at + 1, at + 1 + list.readUInt8(at)));
  }
  return names;
}
