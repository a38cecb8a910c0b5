import { expect, test } from "vitest";
import { acceptOf, withoutKey } from "./websocket.ts";

test("acceptOf() answers the key of RFC 6455 §1.3 as it says there", () => {
  expect(acceptOf("dGhlIHNhbXBsZSBub25jZQ==")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

test("withoutKey() leaves all fields but the key, also those with its name for a value", () => {
  const fields = ["a", "sec-websocket-key", "sec-websocket-key", "x", "sec-websocket-version", "13"];
  expect(withoutKey(fields)).toEqual(["a", "sec-websocket-key", "sec-websocket-version", "13"]);
});
