import { expect, test } from "vitest";
import { defaultLimits, parseGatewayOptions } from "./options.ts";

const good = { id: "g", version: "1", threads: 2, listeners: [{ name: "http", fds: [3, 4] }], table: "/t", link: "/l" };
const parse = (options: object): unknown => parseGatewayOptions(JSON.stringify(options));

test("parseGatewayOptions() fills the defaults in", () => {
  expect(parse(good)).toEqual({ ...good, waitForTable: false, verboseErrors: false, limits: defaultLimits });
  expect(parse({ ...good, limits: { queueMs: 5 } })).toMatchObject({ limits: { ...defaultLimits, queueMs: 5 } });
});

test.each([
  [{ threads: 0 }, 'option "threads" must be a whole number from 1 to 64'],
  [{ threads: 3 }, 'option "listeners[0].fds" must be a list of 3 descriptors, one per thread'],
  [{ listeners: [{ name: "http", fds: [3, 3] }] }, "3 stands twice"],
  [{ listeners: [] }, "at least one listener"],
  [{ table: "relative" }, 'option "table" must be an absolute path'],
  [{ id: "" }, 'option "id" must be a text'],
  [{ shares: {} }, 'option "shares.place" must be a text'],
  [{ limits: { nothing: 1 } }, 'option "limits.nothing" must be one of'],
  [{ limits: { queueMs: 0 } }, 'option "limits.queueMs"'],
])("parseGatewayOptions() refuses %j", (change, sentence) => {
  expect(() => parse({ ...good, ...change })).toThrow(sentence);
});

test("parseGatewayOptions() refuses what is no JSON", () => {
  expect(() => parseGatewayOptions(undefined)).toThrow("first argument must be the options as JSON");
});
