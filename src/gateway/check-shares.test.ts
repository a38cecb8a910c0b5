import { expect, test } from "vitest";
import { checkShares } from "./check-shares.ts";

const good = {
  type: "shares",
  version: 7,
  more: [["i", 2]],
  keep: [
    ["x/a", 0],
    ["x/b", null],
  ],
};

test("checkShares() takes what control says", () => {
  expect(checkShares(good)).toEqual(good);
});

test.each([
  [{ version: -1 }, "version"],
  [{ more: {} }, "more"],
  [{ more: [["", 1]] }, "more[0][0]"],
  [{ more: [["i", 1.5]] }, "more[0][1]"],
  [{ keep: [["x/a"]] }, "keep[0][1]"],
  [{ keep: ["x/a"] }, "keep[0]"],
])("checkShares() names the member at fault: %j", (wrong, at) => {
  expect(() => checkShares({ ...good, ...wrong })).toThrow(`Cannot use the shares of slots: ${at} must be`);
});
