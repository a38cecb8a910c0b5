import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { duplicateFields } from "./json-duplicates.ts";

describe("duplicateFields()", () => {
  it.each([
    ['{"a":1,"b":2}', []],
    ['{"a":1,"a":2}', ["a"]],
    ['{"a":1,"a":2,"a":3}', ["a"]],
    ['{"s":{"l":[{"x":1},{"x":1,"y":[1,2],"x":3}]}}', ["s.l[1].x"]],
    ['{"a":"a","b":["a","a"],"c":{"a":1}}', []],
    [String.raw`{"a":1,"\u0061":2}`, ["a"]],
    [String.raw`{"a\"":1,"b":"\\","a\"":2}`, ['a"']],
    ["[]", []],
    ['"text"', []],
  ])("finds in %s", (text, expected) => {
    expect(duplicateFields(text)).toEqual(expected);
  });

  it("finds nothing in what JSON.stringify() wrote", () => {
    fc.assert(fc.property(fc.json(), (text) => duplicateFields(JSON.stringify(JSON.parse(text))).length === 0));
  });
});
