import { expect, it } from "vitest";
import { decide } from "./decide.ts";

it.each([
  [{ wasReady: false, routed: false }, 1],
  [{ wasReady: false, routed: true }, 1],
  [{ wasReady: true, routed: true }, 1],
  [{ wasReady: true, routed: false }, 0],
])("decide() for %j is %i", (input, count) => {
  expect(decide(input)).toBe(count);
});
