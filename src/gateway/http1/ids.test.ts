import { expect, test } from "vitest";
import { Ids } from "./ids.ts";

test("next() gives UUIDs of version 4, each once", () => {
  const ids = new Ids();
  const seen = Array.from({ length: 1_000 }, () => ids.next());
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  expect(seen.filter((id) => !uuid.test(id))).toEqual([]);
  expect(new Set(seen).size).toBe(seen.length);
  expect(new Set(seen.map((id) => id[19])).size).toBe(4);
});
