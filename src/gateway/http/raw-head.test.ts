import { expect, test } from "vitest";
import { AppFields } from "./app-fields.ts";
import { appHead, trailerText } from "./raw-head.ts";
import type { CallOptions } from "./call.ts";

function head(some: { method?: string; path?: string; list?: string[]; hasBody?: boolean; length?: string }): string {
  const { method = "GET", path = "/", list = ["Host", "a"], hasBody = false, length } = some;
  const options = { method, path, fields: new AppFields(list), requestId: "id", hasBody, length };
  return appHead(options as unknown as CallOptions);
}

const rest = "Host: a\r\nX-Request-Id: id\r\n";

test.each([
  ["no body", {}, `GET / HTTP/1.1\r\n${rest}\r\n`],
  ["a post without one", { method: "POST" }, `POST / HTTP/1.1\r\n${rest}Content-Length: 0\r\n\r\n`],
  ["a length", { method: "POST", hasBody: true, length: "12" }, `POST / HTTP/1.1\r\n${rest}Content-Length: 12\r\n\r\n`],
  ["chunks", { method: "PUT", hasBody: true }, `PUT / HTTP/1.1\r\n${rest}Transfer-Encoding: chunked\r\n\r\n`],
  ["bytes above 127", { path: "/é?x=ÿ" }, `GET /é?x=ÿ HTTP/1.1\r\n${rest}\r\n`],
])("a head with %s", (_what, some, text) => {
  expect(head(some)).toBe(text);
});

test.each([
  ["a method with space", { method: "GET /x" }],
  ["a path with space", { path: "/ HTTP/1.1" }],
  ["a path with a line's end", { path: "/\r\nX: y" }],
  ["a path beyond a byte", { path: "/€" }],
  ["no path", { path: "" }],
  ["a value with a line's end", { list: ["Host", "a", "x", "1\r\nContent-Length: 5"] }],
  ["a value with a bare LF", { list: ["Host", "a", "x", "1\ny: 2"] }],
  ["a value with NUL", { list: ["Host", "a", "x", "\0"] }],
  ["a value beyond a byte", { list: ["Host", "a", "x", "Ċ"] }],
  ["a name with a colon", { list: ["Host", "a", "x:y", "1"] }],
  ["a name with space", { list: ["Host", "a", "content-length ", "1"] }],
  ["no name", { list: ["Host", "a", "", "1"] }],
  ["a length that is none", { hasBody: true, length: "1, 1" }],
  ["a negative length", { hasBody: true, length: "-1" }],
])("%s isn't written", (_what, some) => {
  expect(() => head(some)).toThrow();
});

test("trailers that can't be written are left out", () => {
  expect(
    trailerText([
      ["x-sum", "1"],
      ["x y", "1"],
      ["x-z", "1\r\n\r\nGET / HTTP/1.1"],
    ]),
  ).toBe("x-sum: 1\r\n");
});
