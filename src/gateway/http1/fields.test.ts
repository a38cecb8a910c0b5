import * as fc from "fast-check";
import { expect, test } from "vitest";
import { answerFields, requestFields } from "../http/headers.ts";
import { AnswerHead } from "./answer-head.ts";
import { trailerLines } from "./fields.ts";
import { RequestHead } from "./request-head.ts";

const names = [
  "Host",
  "Connection",
  "Keep-Alive",
  "Proxy-Connection",
  "TE",
  "X-Forwarded-For",
  "Forwarded",
  "X-Real-IP",
  "Elafros-Reason",
  "elafros-",
  "K-Revision",
  "k_x",
  "X_Forwarded_For",
  "X_Real-Ip",
  "X-Two",
  "x_custom",
  "Kind",
  "Accept",
  "cookie",
  "Proxy-Authorization",
  "Date",
  "Expected",
  "elafros-a_b",
  "Trailer",
  "X-Request-Id",
];
const field = fc.tuple(
  fc.constantFrom(...names),
  fc.constantFrom("", "a", "x-two, Accept", "close", "keep-alive, X-Two", "trailers", "gzip, trailers;q=1", "x_custom"),
);

function lines(flat: readonly string[]): string[] {
  return Array.from({ length: flat.length / 2 }, (_, i) => `${flat[2 * i]}: ${flat[2 * i + 1]}`);
}

test("requestLines() lets pass what requestFields() does, in its order", () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 12 }), (fields) => {
      const some = fields.filter(([name]) => name !== "Host");
      const text = some.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      const head = new RequestHead({ bytes: 65_536, fields: 100 });
      const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${text}\r\n`);
      expect(head.read(bytes, 0, bytes.length)).toBe("plain");
      const client = { address: "1.2.3.4", authority: "a", protocol: "http" } as const;
      const ours = new Set(lines(requestFields([], client)));
      const wanted = lines(requestFields(["Host", "a", ...some.flat()], client)).filter((line) => !ours.has(line));
      const got = head.fields.lines.split("\r\n").slice(0, -1);
      // Said once, after all others; the order of different fields means nothing.
      const te = wanted.includes("TE: trailers") ? ["TE: trailers"] : [];
      expect(got).toEqual([...wanted.filter((line) => line !== "TE: trailers"), ...te]);
    }),
    { numRuns: 500 },
  );
});

test("answerLines() lets pass what answerFields() does, in its order", () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 12 }), (fields) => {
      const text = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      const head = new AnswerHead(65_536);
      const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${text}\r\n`);
      expect(head.read(bytes, 0, bytes.length)).toBe("whole");
      const wanted = lines(answerFields(fields.flat()));
      expect(head.start(true).toString("latin1").split("\r\n").slice(1, -1)).toEqual(wanted);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["X-Request-Id: id-1\r\n", "id-1"],
  ["x-request-id: a b\r\n", undefined],
  ["X-Request-Id: a\r\nX-Request-Id: b\r\n", undefined],
  ["", undefined],
])("givenRequestId() of %j is %s", (text, id) => {
  const head = new RequestHead({ bytes: 1024, fields: 10 });
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${text}\r\n`);
  head.read(bytes, 0, bytes.length);
  expect(head.fields.givenId).toBe(id);
});

test("trailerLines() lets pass what may stand there, and refuses what is no section", () => {
  expect(trailerLines(Buffer.from("X-Sum: 1\r\nContent-Length: 3\r\nElafros-X: 1\r\nX-B:\r\n\r\n"))).toBe(
    "X-Sum: 1\r\nX-B: \r\n",
  );
  expect(trailerLines(Buffer.from("X-Sum : 1\r\n\r\n"))).toBe(undefined);
  expect(trailerLines(Buffer.from("X-Sum: 1\r\n folded\r\n\r\n"))).toBe(undefined);
});
