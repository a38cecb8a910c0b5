import * as fc from "fast-check";
import { expect, test } from "vitest";
import { almostSound, requestStreams } from "../../../test/support/readings.ts";
import { RequestHead } from "./request-head.ts";

const limits = { bytes: 4096, fields: 20 };

function read(text: string, from = 0): { reading: string; head: RequestHead } {
  const head = new RequestHead(limits);
  const bytes = Buffer.from(text, "latin1");
  return { reading: head.read(bytes, from, bytes.length), head };
}

const plain = "GET /a HTTP/1.1\r\nHost: a\r\n";
const post = "POST /a HTTP/1.1\r\nHost: a\r\n";

test("RequestHead reads a plain request", () => {
  const { reading, head } = read(
    "POST /a/b?c=%20 HTTP/1.1\r\nHost: app.x:80\r\ncontent-LENGTH:  12\r\nX-B: \tc \t\r\nX-A:\r\n\r\nrest",
  );
  expect(reading).toBe("plain");
  expect([head.method, head.target, head.minor, head.fields.framing.length, head.fields.framing.chunked]).toEqual([
    "POST",
    "/a/b?c=%20",
    1,
    12,
    false,
  ]);
  expect(head.head.raw()).toEqual(["Host", "app.x:80", "content-LENGTH", "12", "X-B", "c", "X-A", ""]);
  expect(head.head.bytes.toString("latin1", head.end)).toBe("rest");
});

test("RequestHead reads what Connection, TE and Expect say", () => {
  const fields =
    "Connection: keep-alive, X-One ,close\r\nConnection: x-two\r\nTE: gzip, trailers;q=0.1\r\nExpect: 100-Continue\r\n";
  const { reading, head } = read(`${post}${fields}Transfer-Encoding: CHUNKED\r\n\r\n`);
  const { close, keepAlive, own, trailersWelcome, chunked } = head.fields.framing;
  expect(reading).toBe("plain");
  expect([close, keepAlive, [...(own ?? [])], trailersWelcome, chunked]).toEqual([
    true,
    true,
    ["x-one", "x-two"],
    true,
    true,
  ]);
});

test("RequestHead leaves out empty lines before a request", () => {
  expect(read(`\r\n\r\n${plain}\r\n`).reading).toBe("plain");
});

test.each([
  ["length and coding", `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ["coding and length", `${post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n`],
  ["two lengths that differ", `${post}Content-Length: 4\r\nContent-Length: 5\r\n\r\n`],
  ["two equal lengths", `${post}Content-Length: 4\r\ncontent-length: 4\r\n\r\n`],
  ["a list of lengths", `${post}Content-Length: 4, 4\r\n\r\n`],
  ["a signed length", `${post}Content-Length: +4\r\n\r\n`],
  ["a negative length", `${post}Content-Length: -4\r\n\r\n`],
  ["a length in hexadecimal", `${post}Content-Length: 0x4\r\n\r\n`],
  ["a length with a point", `${post}Content-Length: 4.0\r\n\r\n`],
  ["a length with an exponent", `${post}Content-Length: 1e1\r\n\r\n`],
  ["an empty length", `${post}Content-Length:\r\n\r\n`],
  ["a length with a space in it", `${post}Content-Length: 1 2\r\n\r\n`],
  ["a length beyond exact numbers", `${post}Content-Length: 99999999999999999999\r\n\r\n`],
  ["a length in other digits", `${post}Content-Length: \xb2\r\n\r\n`],
  ["a length in quotes", `${post}Content-Length: "4"\r\n\r\n`],
  ["a coding before chunked", `${post}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  ["a coding after chunked", `${post}Transfer-Encoding: chunked, identity\r\n\r\n`],
  ["chunked twice", `${post}Transfer-Encoding: chunked, chunked\r\n\r\n`],
  ["two codings", `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ["a coding that only looks like chunked", `${post}Transfer-Encoding: xchunked\r\n\r\n`],
  ["chunked with a parameter", `${post}Transfer-Encoding: chunked;a=b\r\n\r\n`],
  ["chunked in quotes", `${post}Transfer-Encoding: "chunked"\r\n\r\n`],
  ["chunked after a vertical tab", `${post}Transfer-Encoding: \x0bchunked\r\n\r\n`],
  ["chunked after a no-break space", `${post}Transfer-Encoding: \xa0chunked\r\n\r\n`],
  ["chunked and a tab", `${post}Transfer-Encoding: chunked\t\r\n\r\n`],
  ["a length and a space", `${post}Content-Length: 4 \r\n\r\n`],
  ["chunked and a comma", `${post}Transfer-Encoding: chunked,\r\n\r\n`],
  ["an empty coding", `${post}Transfer-Encoding:\r\n\r\n`],
  ["chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["a space before the colon", `${post}Transfer-Encoding : chunked\r\n\r\n`],
  ["a tab before the colon", `${post}Content-Length\t: 4\r\n\r\n`],
  ["a space before a name", `${post} Content-Length: 4\r\n\r\n`],
  ["a space before the first name", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"],
  ["a folded field", `${plain}X-A: b\r\n c\r\n\r\n`],
  ["a field folded by a tab", `${plain}X-A: b\r\n\tc\r\n\r\n`],
  ["a name that is none", `${plain}X A: b\r\n\r\n`],
  ["an empty name", `${plain}: b\r\n\r\n`],
  ["a line without a colon", `${plain}X-A\r\n\r\n`],
  ["a name with a bracket", `${plain}X[A: b\r\n\r\n`],
  ["a name with a byte above 127", `${plain}X\xc4: b\r\n\r\n`],
  ["NUL in a name", `${plain}X\0: b\r\n\r\n`],
  ["NUL in a value", `${plain}X: b\0c\r\n\r\n`],
  ["a control byte in a value", `${plain}X: b\x01c\r\n\r\n`],
  ["DEL in a value", `${plain}X: b\x7fc\r\n\r\n`],
  ["a bare CR in a value", `${plain}X: b\rc\r\n\r\n`],
  ["a bare CR before a field", `${plain}X: b\r\n\rContent-Length: 4\r\n\r\n`],
  ["a bare LF after a value", `${plain}X: b\nY: c\r\n\r\n`],
  ["a bare LF that ends the section", `${plain}X: b\r\n\n`],
  ["bare LFs throughout", "GET / HTTP/1.1\nHost: a\n\n"],
  ["a bare LF before the request", `\n${plain}\r\n`],
  ["a bare CR before the request", `\r${plain}\r\n`],
  ["CR CR LF", `${plain}X: b\r\r\n\r\n`],
  ["two hosts", `${plain}Host: a\r\n\r\n`],
  ["two hosts that differ", `${plain}hOST: b\r\n\r\n`],
  ["no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["an empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a tab in the target", "GET /\ta HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a control byte in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a bare CR in the target", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["no version", "GET /\r\nHost: a\r\n\r\n"],
  ["something after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"],
  ["HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"],
  ["HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"],
  ["HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"],
  ["HTTP/01.1", "GET / HTTP/01.1\r\nHost: a\r\n\r\n"],
  ["a version in small letters", "GET / http/1.1\r\nHost: a\r\n\r\n"],
  ["another protocol", "GET / HTTQ/1.1\r\nHost: a\r\n\r\n"],
  ["the beginning of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["a method that is none", "(GET) / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["letters without end", "A".repeat(100)],
])("RequestHead refuses %s", (_what, text) => {
  expect(read(text).reading).toBe("badRequest");
});

test.each([
  ["no host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", "badHost"],
  ["no fields", "GET / HTTP/1.1\r\n\r\n", "badHost"],
  ["too many fields", `${plain}${"A: b\r\n".repeat(limits.fields)}\r\n`, "fieldsTooLarge"],
  ["too long fields", `${plain}A: ${"b".repeat(limits.bytes)}\r\n\r\n`, "fieldsTooLarge"],
  ["too long fields without an end", `${plain}A: ${"b".repeat(limits.bytes)}`, "fieldsTooLarge"],
  ["a too long target", `GET /${"a".repeat(limits.bytes)} HTTP/1.1\r\n`, "targetTooLong"],
  ["a too long target without an end", `GET /${"a".repeat(limits.bytes)}`, "targetTooLong"],
])("RequestHead says what is wrong with %s", (_what, text, reading) => {
  expect(read(text).reading).toBe(reading);
});

test.each([
  ["an upgrade", `${plain}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`],
  ["CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["a rare method", "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a method in small letters", "get / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a method with a dash", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["an absolute target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target that is an asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target with a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target with bytes above 127", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["another expectation", `${plain}Expect: something\r\n\r\n`],
])("RequestHead leaves %s to Node's server", (_what, text) => {
  expect(read(text).reading).toBe("other");
});

test("RequestHead finds a request incomplete up to its last byte, and then reads it, or refuses it the sooner", () => {
  const whole = `\r\n${post}X-A: b c\r\nContent-Length: 4\r\n\r\n`;
  for (let end = 0; end < whole.length; end++)
    expect([end, read(whole.slice(0, end)).reading]).toEqual([end, "incomplete"]);
  expect(read(whole).reading).toBe("plain");
  expect(read("GET / HTTP/1.1\r\nHost: a\r\nX\0").reading).toBe("badRequest");
});

test("RequestHead reads the same wherever in a buffer the request stands", () => {
  const { reading, head } = read(`xxxx${plain}\r\nyy`, 4);
  expect([reading, head.target, head.head.raw()]).toEqual(["plain", "/a", ["Host", "a"]]);
});

test("RequestHead reads what it remembers as it reads it the first time", () => {
  const remembers = new RequestHead(limits);
  const facts = (head: RequestHead, reading: string): unknown =>
    reading === "plain" ? [reading, head.end, head.method, head.target, head.minor, head.fields] : reading;
  let found = 0;
  fc.assert(
    fc.property(fc.oneof(almostSound, requestStreams), fc.nat(30), (stream, gap) => {
      const bytes = Buffer.concat([Buffer.alloc(gap), stream]);
      const fresh = new RequestHead(limits);
      const reading = fresh.read(bytes, gap, bytes.length);
      const again = remembers.read(bytes, gap, bytes.length);
      if ("bytes" in remembers.fields) {
        found += 1;
        const { bytes: section, ...fields } = remembers.fields;
        expect(section).toBeInstanceOf(Buffer);
        remembers.fields = fields;
      }
      expect(facts(remembers, again)).toEqual(facts(fresh, reading));
    }),
    { numRuns: 3_000 },
  );
  expect(found).toBeGreaterThan(300);
});
