import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigMap } from "../api/config-map.ts";
import { Event } from "../api/event.ts";
import { Pod } from "../api/pod.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { parseFieldSelector } from "./field-selector.ts";
import { parseLabelSelector } from "./label-selector.ts";

const labelled = (labels?: Record<string, string>): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "a", namespace: "n", ...(labels === undefined ? {} : { labels }) },
});

const matching: [string, Record<string, string>, boolean][] = [
  ["", {}, true],
  ["  ", {}, true],
  ["a=1", { a: "1" }, true],
  ["a=1", { a: "2" }, false],
  ["a = 1", { a: "1" }, true],
  ["a==1,b!=2", { a: "1", b: "3" }, true],
  ["a!=1", {}, true],
  ["a=", { a: "" }, true],
  ["a=", {}, false],
  ["a=,b=1", { a: "", b: "1" }, true],
  ["a in (1, 2)", { a: "2" }, true],
  ["a in (1,2)", {}, false],
  ["a notin (1,2)", { a: "3" }, true],
  ["a notin (1,2)", {}, true],
  ["a in ()", { a: "" }, true],
  ["a in (1,)", { a: "" }, true],
  ["a", { a: "" }, true],
  ["!a", { a: "1" }, false],
  ["! a ,b", { b: "1" }, true],
  ["a>3", { a: "4" }, true],
  ["a<3", { a: "3" }, false],
  ["a>3", { a: "x" }, false],
  ["in in (in,notin)", { in: "notin" }, true],
  ["in=notin", { in: "notin" }, true],
  ["elafros.dev/configuration=my-service", { "elafros.dev/configuration": "my-service" }, true],
  ["constructor", {}, false],
];

const refused: [string, string][] = [
  ["a===b", "unable to parse requirement: found '=', expected: identifier"],
  ["a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
  ["a in 1", "unable to parse requirement: found '1' expected: '('"],
  ["a in (1", "unable to parse requirement: found '', expected: ',', ')' or identifier"],
  ["a,", "found '', expected: identifier after ','"],
  [",a", "found ',', expected: !, identifier, or 'end of string'"],
  ["a=1 b=2", "found 'b', expected: ',' or 'end of string'"],
  [
    "a>x",
    "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
  ],
  ["!", "unable to parse requirement: found '', expected: identifier"],
];

describe("parseLabelSelector()", () => {
  test.each(matching)("%s on %j is %s", (selector, labels, result) => {
    expect(parseLabelSelector(selector)(labelled(labels))).toBe(result);
  });

  test.each(refused)("refuses %s", (selector, message) => {
    expect(() => parseLabelSelector(selector)).toThrow(expect.objectContaining({ reason: "BadRequest", message }));
  });

  test.each(["a=b c/d", "a=-", "-a", "a/b/c=1", "A.B/c", `a=${"x".repeat(64)}`])(
    "refuses the malformed %s",
    (selector) => {
      expect(() => parseLabelSelector(selector)).toThrow(expect.objectContaining({ reason: "BadRequest" }));
    },
  );

  test("refuses more than it could look at in a list", () => {
    const many = Array.from({ length: 101 }, (_, index) => `!k${index}`).join(",");
    expect(() => parseLabelSelector(many)).toThrow("at most 100");
    expect(() => parseLabelSelector("a".repeat(20_000))).toThrow("at most 16384 characters");
  });

  test("any text is read or refused as a bad request", () => {
    const piece = fc.constantFrom("a", "b", "in", "notin", "=", "==", "!=", "!", "(", ")", ",", ">", "1", " ");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece).map((pieces) => pieces.join("")),
          fc.string(),
        ),
        (selector) => {
          try {
            expect(typeof parseLabelSelector(selector)(labelled({ a: "1" }))).toBe("boolean");
          } catch (error) {
            expect(error).toMatchObject({ reason: "BadRequest" });
          }
        },
      ),
    );
  });

  test("in and notin are opposites, and = is in with one value", () => {
    const value = fc.constantFrom("1", "2", "3", "");
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), fc.option(value), (values, label) => {
        const object = labelled(label === null ? undefined : { a: label });
        const set = values.join(",");
        const inside = parseLabelSelector(`a in (${set})`)(object);
        expect(parseLabelSelector(`a notin (${set})`)(object)).toBe(!inside);
        expect(inside).toBe(values.some((one) => parseLabelSelector(`a=${one}`)(object)));
      }),
    );
  });
});

describe("parseFieldSelector()", () => {
  const event = {
    ...labelled(),
    kind: "Event",
    type: "Warning",
    reason: "BackOff",
    source: { component: "driver" },
    involvedObject: { kind: "Revision", name: "a,b=c" },
  } as KubeObject;

  test.each([
    ["", true],
    ["metadata.name=a", true],
    ["metadata.name==a,metadata.namespace!=m", true],
    ["metadata.name!=a", false],
    ["involvedObject.name=a\\,b\\=c", true],
    ["involvedObject.kind=Revision,type=Warning,reason=BackOff,source=driver", true],
    ["involvedObject.uid=", true],
    ["type=Normal", false],
  ])("%s is %s", (selector, result) => {
    expect(parseFieldSelector(selector, Event)(event)).toBe(result);
  });

  test("status.phase selects Pods", () => {
    const pod = { ...labelled(), status: { phase: "Running" } } as KubeObject;
    expect(parseFieldSelector("status.phase!=Running", Pod)(pod)).toBe(false);
    expect(parseFieldSelector("status.phase=Running,spec.nodeName=", Pod)(pod)).toBe(true);
  });

  test.each([
    ["metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"],
    ["spec.x=1", "field label not supported: spec.x"],
    ["involvedObject.name=a", "field label not supported: involvedObject.name"],
    ["metadata.name=a\\x", "invalid field selector: invalid escape sequence in 'a\\x'"],
  ])("refuses %s", (selector, message) => {
    expect(() => parseFieldSelector(selector, ConfigMap)).toThrow(
      expect.objectContaining({ reason: "BadRequest", message }),
    );
  });
});
