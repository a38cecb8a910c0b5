import { expect, test } from "vitest";
import { readPreface } from "./preface.ts";

const whole = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

test("readPreface() knows the preface whole, and as far as it has come", () => {
  const bytes = Buffer.from(`xx${whole}more`);
  expect(readPreface(bytes, 2, bytes.length)).toBe("preface");
  for (let end = 4; end < 2 + whole.length; end++) expect(readPreface(bytes, 2, end)).toBe("incomplete");
  expect(readPreface(bytes, 2, 2 + whole.length)).toBe("preface");
});

test.each([
  "P",
  "",
  "POST / HTTP/1.1\r\n",
  "PROPFIND / HTTP/1.1\r\n",
  "PRI * HTTP/2.1\r\n",
  "PRI * HTTP/2.0\r\n\r\nXX",
])("readPreface() leaves %j to who reads requests", (text) => {
  const bytes = Buffer.from(text);
  expect(readPreface(bytes, 0, bytes.length)).toBe("none");
});
