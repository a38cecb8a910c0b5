import { array, assert, constantFrom, property, string, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { fieldOf } from "../http/headers.ts";
import { withCookie } from "./answering.ts";
import { fieldIn } from "./text-fields.ts";

const fields = [
  "Host",
  "a",
  "X-Group",
  "beta",
  "x-group",
  "two",
  "Cookie",
  "a=1",
  "cookie",
  "b=2",
  "X.Y",
  "",
  "Xa",
  "x-group: no",
];
let text = "GET /?x-group:%20no HTTP/1.1\r\n";
for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}:  ${fields[i + 1]} \t\r\n`;
text += "\r\n";

describe("fieldIn() and fieldOf()", () => {
  it.each([
    ["x-group", "beta, two"],
    ["cookie", "a=1; b=2"],
    ["x.y", ""],
    ["xzy", undefined],
    ["group", undefined],
    ["get /?x-group", undefined],
  ])("find %s alike", (name, expected) => {
    expect([fieldIn(text, name), fieldOf(fields, name)]).toEqual([expected, expected]);
  });

  it("find no field that Connection keeps to this hop", () => {
    expect(fieldOf(["Connection", "X-Group", "X-Group", "beta"], "x-group")).toBeUndefined();
  });
});

const name = constantFrom("X-Group", "x-group", "Cookie", "X.Group", "X-Groups", "Group");
const value = string({
  unit: constantFrom("a", ":", ";", "=", ",", " ", "\t", "\u00a0", "x-group:"),
  maxLength: 12,
}).map((text) => text.replaceAll(/^[ \t]+|[ \t]+$/g, ""));

describe("fieldIn()", () => {
  it("finds what fieldOf() does in whatever fields", () => {
    assert(
      property(array(tuple(name, value), { maxLength: 8 }), (pairs) => {
        const head = `GET / HTTP/1.1\r\n${pairs.map(([one, text]) => `${one}:\t ${text} \r\n`).join("")}\r\n`;
        for (const one of ["x-group", "cookie", "x.group", "group"]) {
          expect(fieldIn(head, one)).toBe(fieldOf(pairs.flat(), one));
        }
      }),
    );
  });
});

describe("withCookie()", () => {
  const head = "HTTP/1.1 200 OK\r\nSet-Cookie: other=1\r\nX-Request-Id: 1\r\n\r\n";
  it("adds the cookie as the last field", () => {
    expect(withCookie(head, "id=2; Path=/")).toBe(`${head.slice(0, -2)}Set-Cookie: id=2; Path=/\r\n\r\n`);
  });

  it("leaves a cookie of that name to the app", () => {
    expect(withCookie(head, "other=2; Path=/")).toBe(head);
  });
});
