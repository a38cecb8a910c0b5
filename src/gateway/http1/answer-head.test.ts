import { expect, test } from "vitest";
import { AnswerHead } from "./answer-head.ts";

const most = 2048;

function read(text: string): { reading: string; head: AnswerHead } {
  const head = new AnswerHead(most);
  const bytes = Buffer.from(text, "latin1");
  return { reading: head.read(bytes, 0, bytes.length), head };
}

test("AnswerHead reads status, reason and fields", () => {
  const { reading, head } = read("HTTP/1.1 404 Not F\xf6und\r\nDate: x\r\nContent-Length: 3\r\n\r\nabc");
  expect([reading, head.status, head.framing.length, head.framing.dated]).toEqual(["whole", 404, 3, true]);
  expect([head.start(true).toString("latin1"), head.start(false).toString("latin1")]).toEqual([
    "HTTP/1.1 404 Not F\xf6und\r\nDate: x\r\nContent-Length: 3\r\nX-Request-Id: ",
    "HTTP/1.1 404 Not F\xf6und\r\nDate: x\r\nX-Request-Id: ",
  ]);
});

test.each([
  ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", "length", true],
  ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", "none", true],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "chunked", true],
  ["HTTP/1.1 200 OK\r\n\r\n", "GET", "close", true],
  ["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", "GET", "length", false],
  ["HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", "length", false],
  ["HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\n", "GET", "length", true],
  ["HTTP/1.1 204 No Content\r\n\r\n", "GET", "none", true],
  ["HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", "none", true],
  ["HTTP/1.1 103 Early Hints\r\n\r\n", "GET", "none", true],
  ["HTTP/1.1 200\r\n\r\n", "GET", "close", true],
  ["HTTP/1.1 200 \r\n\r\n", "GET", "close", true],
])("AnswerHead knows how the body of %j to %s ends", (text, method, ending, persists) => {
  const { reading, head } = read(text);
  expect([reading, head.ending(method), head.persists]).toEqual(["whole", ending, persists]);
});

test.each([
  ["another protocol", "SSH-2.0-OpenSSH_9.9\r\n"],
  ["HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n"],
  ["HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"],
  ["two digits", "HTTP/1.1 20 OK\r\n\r\n"],
  ["four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["a status below 100", "HTTP/1.1 099 OK\r\n\r\n"],
  ["a signed status", "HTTP/1.1 +20 OK\r\n\r\n"],
  ["two spaces", "HTTP/1.1  200 OK\r\n\r\n"],
  ["a control byte in the reason", "HTTP/1.1 200 O\0K\r\n\r\n"],
  ["a bare LF", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"],
  ["a bare LF after a field", "HTTP/1.1 200 OK\r\nContent-Length: 3\n\r\nabc"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"],
  ["a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n"],
  ["length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["a coding besides chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"],
  ["two codings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
  ["chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["a folded field", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n"],
  ["a space before the colon", "HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n"],
  ["a section that is too long", `HTTP/1.1 200 OK\r\nX-A: ${"b".repeat(most)}`],
])("AnswerHead refuses %s", (_what, text) => {
  expect(read(text).reading).toBe("malformed");
});

test("AnswerHead finds an answer incomplete up to the last byte of its head", () => {
  const whole = "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 4\r\n\r\n";
  for (let end = 0; end < whole.length; end++)
    expect([end, read(whole.slice(0, end)).reading]).toEqual([end, "incomplete"]);
  expect(read(whole).reading).toBe("whole");
});

test("AnswerHead reads what it remembers as it read it the first time", () => {
  const head = new AnswerHead(most);
  const one = "HTTP/1.1 200 OK\r\nDate: x\r\nKeep-Alive: timeout=5\r\nContent-Length: 3\r\n\r\n";
  const two = "HTTP/1.0 404 No\r\nX-A: b\r\nConnection: x-a\r\nTransfer-Codin: x\r\n\r\n";
  const seen = [one, one, one, two, one, two, two, one].map((text) => {
    const bytes = Buffer.from(`..${text}abc`);
    expect(head.read(bytes, 2, bytes.length)).toBe("whole");
    expect(bytes.toString("latin1", head.end)).toBe("abc");
    return [
      head.status,
      head.minor,
      head.start(true).toString("latin1"),
      head.start(false).toString("latin1"),
      head.keepAlive(),
      head.persists,
    ];
  });
  const start404 = "HTTP/1.1 404 No\r\nTransfer-Codin: x\r\nX-Request-Id: ";
  const [first, , , second] = seen;
  const start = "HTTP/1.1 200 OK\r\nDate: x\r\n";
  const end = "X-Request-Id: ";
  expect(first).toEqual([200, 1, `${start}Content-Length: 3\r\n${end}`, start + end, "timeout=5", true]);
  expect(second).toEqual([404, 0, start404, start404, "", false]);
  expect(seen).toEqual([first, first, first, second, first, second, second, first]);
});
