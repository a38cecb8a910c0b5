/** How a stream of bytes is read as HTTP/1.1 requests: by the gateway's parser, and by Node's. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { duplexPair } from "node:stream";
import * as fc from "fast-check";
import { Chunks } from "../../src/gateway/http1/chunks.ts";
import { trailerLines } from "../../src/gateway/http1/fields.ts";
import { RequestHead } from "../../src/gateway/http1/request-head.ts";

export interface ReadRequest {
  method: string;
  target: string;
  fields: string[];
  body: string;
}

/** The whole requests that the gateway itself serves from these bytes, until it refuses or leaves the rest to Node's server, and how long they are. */
export function ownReading(bytes: Buffer): { requests: ReadRequest[]; length: number } {
  const head = new RequestHead({ bytes: 16 * 1024, fields: 100 });
  const requests: ReadRequest[] = [];
  let pos = 0;
  let length = 0;
  for (;;) {
    if (head.read(bytes, pos, bytes.length) !== "plain") break;
    const { method } = head;
    const { framing } = head.fields;
    const request: ReadRequest = { method, target: head.target, fields: head.head.raw(), body: "" };
    pos = head.end;
    if (framing.chunked) {
      const chunks = new Chunks();
      const data = (piece: Buffer, start: number, end: number): void => {
        request.body += piece.toString("latin1", start, end);
      };
      pos = chunks.read({ bytes, from: pos, end: bytes.length }, { data });
      if (pos < 0 || !chunks.ended) break;
      if (chunks.trailers !== undefined && trailerLines(chunks.trailers) === undefined) break;
    } else if (framing.length > 0) {
      if (bytes.length - pos < framing.length) break;
      request.body = bytes.toString("latin1", pos, (pos += framing.length));
    }
    requests.push(request);
    length = pos;
    if (framing.close || (head.minor === 0 && !framing.keepAlive)) break;
  }
  return { requests, length };
}

/** Node's own server, strict, that notes what it reads. */
export function nodeReader(): { read(bytes: Buffer): Promise<ReadRequest[]>; server: Server } {
  let noted: ReadRequest[] = [];
  const server = createServer({ insecureHTTPParser: false, maxHeaderSize: 16 * 1024, keepAliveTimeout: 0 });
  server.maxHeadersCount = 0;
  const note = (req: IncomingMessage, res: { end(): void }): void => {
    const into = noted;
    let body = "";
    req.on("data", (piece: Buffer) => (body += piece.toString("latin1")));
    req.on("error", () => {});
    req.on("end", () => {
      into.push({ method: req.method ?? "", target: req.url ?? "", fields: req.rawHeaders, body });
      res.end();
    });
  };
  server.on("request", note);
  server.on("checkContinue", note);
  server.on("clientError", (_error, socket) => socket.destroy());
  const read = async (bytes: Buffer): Promise<ReadRequest[]> => {
    noted = [];
    const [client, accepted] = duplexPair();
    client.on("error", () => {});
    client.resume();
    server.emit("connection", accepted);
    const closed = new Promise((resolve) => accepted.once("close", resolve));
    client.end(bytes);
    await closed;
    return noted;
  };
  return { read, server };
}

/** Mostly the first. */
function mostly<T>(usual: T, ...others: T[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
}

const ends = mostly("\r\n", "\n", "\r", "\r\r\n", " \r\n", "");
const first = fc.tuple(
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom("GET", "POST", "PUT") }, fc.constantFrom("get", "G\0T", "PRI", "")),
  mostly(" ", "  ", "\t", ""),
  mostly("/", "/a?b=c", "/%0d%0a", "*", "http://a/", "/\x80", "/a b", "/#x", "//a", '/{}|^`<>"\\'),
  mostly(" HTTP/1.1", " HTTP/1.0", " HTTP/1.2", "  HTTP/1.1", " HTTP/1.1 ", "", " http/1.1"),
);
const names = fc.constantFrom(
  "Host",
  "Content-Length",
  "Content-Length",
  "Transfer-Encoding",
  "Transfer-Encoding",
  "Connection",
  "X-A",
  "Expect",
  "Content-Length ",
  " Transfer-Encoding",
  "Transfer_Encoding",
  "X\0",
  "",
  "content-length",
  "TE",
  "Trailer",
  "Cookie",
);
const values = fc.constantFrom(
  "a",
  "0",
  "3",
  "3",
  "5",
  "+3",
  "3, 3",
  "0x3",
  "chunked",
  "chunked",
  "Chunked",
  "gzip, chunked",
  "chunked;",
  "\x0bchunked",
  "close",
  "keep-alive",
  "x-a",
  "",
  "b c",
  "\x80",
  "b\0",
  "b\rc",
  "b\x7f",
  " 3 ",
  "\t3",
  "003",
  "100-continue",
  "b\r\n c",
);
const field = fc.tuple(names, mostly(": ", ":", ":\t", " : ", ""), values);
const body = fc.constantFrom(
  "",
  "abc",
  "abcde",
  "3\r\nabc\r\n0\r\n\r\n",
  "0\r\n\r\n",
  "3;a=b\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
  "03\r\nabc\r\n00\r\n\r\n",
  "3\nabc\n0\n\n",
  "3 \r\nabc\r\n0\r\n\r\n",
  "-3\r\n",
  "3\r\nabcd\r\n0\r\n\r\n",
  "fffffffffffffffff\r\nabc",
  "0\r\nHost : b\r\n\r\n",
);

/** Streams of requests as attackers write them: sound ones among them, and every way to be almost sound. */
export const requestStreams: fc.Arbitrary<Buffer> = fc
  .array(
    fc
      .tuple(first, ends, fc.array(fc.tuple(field, ends), { maxLength: 3 }), ends, body, mostly(true, false))
      .map(([line, end, fields, empty, content, sound]) => {
        const host = sound ? "Host: a\r\n" : "";
        return `${line.join("")}${end}${host}${fields.map(([parts, after]) => parts.join("") + after).join("")}${empty}${content}`;
      }),
    { minLength: 1, maxLength: 3 },
  )
  .map((parts) => Buffer.from(parts.join(""), "latin1"));

/** As those, but each request well-formed unless one byte of it is wrong. */
export const almostSound: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.array(
      fc.tuple(
        fc.constantFrom("GET", "POST", "PUT", "DELETE"),
        fc.constantFrom("/", "/a?b", "/c/%20"),
        fc.subarray([
          "X-A: b\r\n",
          "Cookie: c=d; e\r\n",
          "Accept:*/*\r\n",
          "X-Empty:\r\n",
          "Connection: keep-alive\r\n",
        ]),
        fc.constantFrom(
          "\r\n",
          "Content-Length: 3\r\n\r\nabc",
          "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
          "Transfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n2\r\nbc\r\n0\r\nX-T: 1\r\n\r\n",
        ),
      ),
      { minLength: 1, maxLength: 3 },
    ),
    fc.option(fc.tuple(fc.nat(300), fc.nat(255), fc.constantFrom("set", "insert", "delete"))),
  )
  .map(([requests, change]) => {
    const text = requests
      .map(([method, target, fields, rest]) => `${method} ${target} HTTP/1.1\r\nHost: a\r\n${fields.join("")}${rest}`)
      .join("");
    const bytes = Buffer.from(text, "latin1");
    if (change === null) return bytes;
    const [place, byte, how] = change;
    const at = place % bytes.length;
    const after = bytes.subarray(how === "insert" ? at : at + 1);
    return Buffer.concat([bytes.subarray(0, at), how === "delete" ? Buffer.alloc(0) : Buffer.from([byte]), after]);
  });

/** What the streams are like, in words, and what makes them. */
export const kindsOfStreams: [string, fc.Arbitrary<Buffer>][] = [
  ["as attackers write them", requestStreams],
  ["with at most one byte wrong", almostSound],
];

/** Reads so many streams of a kind by both, and fails where they differ; gives the number of requests that the gateway would have served. */
export async function compareReadings(streams: fc.Arbitrary<Buffer>, numRuns: number): Promise<number> {
  const node = nodeReader();
  let served = 0;
  await fc.assert(
    fc.asyncProperty(streams, async (bytes) => {
      const { requests, length } = ownReading(bytes);
      if (length === 0) return;
      served += requests.length;
      assert.deepEqual(await node.read(bytes.subarray(0, length)), requests);
    }),
    { numRuns },
  );
  return served;
}
