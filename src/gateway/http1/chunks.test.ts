import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Chunks } from "./chunks.ts";

/** What a chunked body gives when it comes in these pieces; undefined where it is refused. */
function decode(...pieces: string[]): { body: string; left: string; ended: boolean; trailers?: string } | undefined {
  const chunks = new Chunks();
  let body = "";
  let left = "";
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, "latin1");
    const sink = { data: (b: Buffer, start: number, end: number) => (body += b.toString("latin1", start, end)) };
    const end = chunks.read({ bytes, from: 0, end: bytes.length }, sink);
    if (end < 0) return undefined;
    left += bytes.toString("latin1", end);
  }
  const trailers = chunks.trailers?.toString("latin1");
  return { body, left, ended: chunks.ended, ...(trailers === undefined ? {} : { trailers }) };
}

test.each([
  ["no data", "0\r\n\r\n", { body: "", left: "", ended: true }],
  ["one chunk", "5\r\nhello\r\n0\r\n\r\n", { body: "hello", left: "", ended: true }],
  ["what comes after", "5\r\nhello\r\n0\r\n\r\nGET", { body: "hello", left: "GET", ended: true }],
  [
    "sizes in both cases and with zeros",
    "00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n",
    { body: "01234567890123456789", left: "", ended: true },
  ],
  ["extensions", '5;a;b=c;d="e\\";f"\r\nhello\r\n0;x\r\n\r\n', { body: "hello", left: "", ended: true }],
  [
    "trailers",
    "1\r\na\r\n0\r\nX-A: b\r\nX-C:\r\n\r\n",
    { body: "a", left: "", ended: true, trailers: "X-A: b\r\nX-C:\r\n\r\n" },
  ],
  ["a beginning", "5\r\nhel", { body: "hel", left: "", ended: false }],
])("Chunks reads %s", (_what, text, got) => {
  expect(decode(text)).toEqual(got);
});

test.each([
  ["no size", "\r\nhello\r\n0\r\n\r\n"],
  ["a size that is none", "zz\r\n"],
  ["a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"],
  ["a signed size", "+5\r\nhello\r\n0\r\n\r\n"],
  ["a negative size", "-1\r\n"],
  ["a space before a size", " 5\r\nhello\r\n"],
  ["a space after a size", "5 \r\nhello\r\n"],
  ["a size beyond exact numbers", "fffffffffffffffff\r\n"],
  ["zeros without end", "00000000000000000000005\r\nhello\r\n"],
  ["a bare LF after a size", "5\nhello\r\n0\r\n\r\n"],
  ["a bare CR after a size", "5\rhello\r\n0\r\n\r\n"],
  ["a bare LF after data", "5\r\nhello\n0\r\n\r\n"],
  ["more data than the size", "5\r\nhello!\r\n0\r\n\r\n"],
  ["less data than the size", "5\r\nhell\r\n0\r\n\r\n"],
  ["a bare LF at the end", "0\r\n\n"],
  ["a bare LF in an extension", "5;a\nhello\r\n"],
  ["a space in an extension", "5; a=b\r\nhello\r\n"],
  ["an extension without a name", "5;\r\nhello\r\n"],
  ["a control byte in an extension", "5;a\0\r\nhello\r\n"],
  ["a bare CR in a quoted extension", '5;a="\r"\r\nhello\r\n'],
  ["extensions without end", `5;${"a".repeat(5000)}\r\nhello\r\n`],
  ["extensions in many chunks", `${`1;${"a".repeat(100)}\r\nx\r\n`.repeat(50)}0\r\n\r\n`],
  ["a control byte in trailers", "0\r\nX: \0\r\n\r\n"],
  ["a bare LF in trailers", "0\r\nX: a\nY: b\r\n\r\n"],
  ["trailers without end", `0\r\n${"X: a\r\n".repeat(2000)}\r\n`],
])("Chunks refuses %s", (_what, text) => {
  expect(decode(text)).toBe(undefined);
  // However it comes.
  expect(decode(...Array.from(text))).toBe(undefined);
});

test("Chunks reads a body the same wherever its pieces are cut", () => {
  const data = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 40 });
  const extension = fc.constantFrom("", "", ";a", ';b="c;\\" d"');
  const body = fc.tuple(fc.array(fc.tuple(data, extension)), fc.constantFrom("", "X-A: b\r\n"), fc.string());
  fc.assert(
    fc.property(body, fc.array(fc.nat(400)), ([parts, trailers, after], cuts) => {
      const chunks = parts.map(([text, ext]) => `${text.length.toString(16)}${ext}\r\n${text}\r\n`);
      const rest = Buffer.from(after).toString("latin1");
      const text = `${chunks.join("")}0\r\n${trailers}\r\n${rest}`;
      const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((place, i) => text.slice(places[i], place));
      const got = decode(...pieces);
      expect(got).toEqual({
        body: parts.map(([text]) => text).join(""),
        left: rest,
        ended: true,
        ...(trailers === "" ? {} : { trailers: `${trailers}\r\n` }),
      });
    }),
  );
});
