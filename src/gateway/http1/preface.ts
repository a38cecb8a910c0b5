/** The first bytes of a connection whose client knows that it speaks HTTP/2 (RFC 9113 §3.4). */

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const [p, r] = preface;

/** Whether the bytes from `from` begin with it. "incomplete": as far as they go; with one byte it may be any method with that letter. */
export function readPreface(bytes: Buffer, from: number, end: number): "preface" | "incomplete" | "none" {
  if (end - from < 2 || bytes[from] !== p || bytes[from + 1] !== r) return "none";
  const length = Math.min(preface.length, end - from);
  if (bytes.compare(preface, 0, length, from, from + length) !== 0) return "none";
  return length === preface.length ? "preface" : "incomplete";
}
