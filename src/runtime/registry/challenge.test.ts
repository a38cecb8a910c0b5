import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseChallenges } from "./challenge.ts";

const none = { basic: false, bearer: undefined };

test.each([
  ["", none],
  ['Basic realm="a, b"', { ...none, basic: true }],
  ["basic", { ...none, basic: true }],
  [
    'Bearer realm="http://127.0.0.1:5001/token",service="reg",scope="repository:app:pull"',
    { ...none, bearer: { realm: "http://127.0.0.1:5001/token", service: "reg" } },
  ],
  ['BEARER Realm = "http://a/" ', { ...none, bearer: { realm: "http://a/", service: undefined } }],
  ['Basic realm="x", Bearer realm=y , service="\\"q\\""', { basic: true, bearer: { realm: "y", service: '"q"' } }],
  ['Bearer service="s"', none],
])("parseChallenges() reads %s", (header, expected) => {
  expect(parseChallenges(header)).toEqual(expected);
});

test.each([
  'Bearer realm="open',
  'Basic realm="x", Bearer realm="y", @',
  "Negotiate abc==, Basic realm=x",
  '"',
  "Basic,x",
])("parseChallenges() takes nothing from %s", (header) => {
  expect(parseChallenges(header)).toEqual(none);
});

test("parseChallenges() reads any quoted text as it was meant, and ends on any text", () => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from('Bearer realm="\\, =x')), maxLength: 200 });
  const property = fc.property(text, (realm) => {
    parseChallenges(realm);
    const quoted = realm.replace(/["\\]/gu, "\\$&");
    expect(parseChallenges(`Bearer realm="${quoted}", Basic`)).toEqual({
      basic: true,
      bearer: { realm, service: undefined },
    });
  });
  fc.assert(property);
});
