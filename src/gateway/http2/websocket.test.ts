import { expect, test } from "vitest";
import { withoutKey } from "./websocket.ts";

test("withoutKey() leaves all fields but the key, also those with its name for a value", () => {
  const fields = ["a", "sec-websocket-key", "sec-websocket-key", "x", "sec-websocket-version", "13"];
  expect(withoutKey(fields)).toEqual(["a", "sec-websocket-key", "sec-websocket-version", "13"]);
});
