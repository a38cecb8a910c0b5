import { describe, expect, it } from "vitest";

import { checkShape, decodeObject, decodeOptional, decodePatch, maxDepth } from "./body.ts";

const body = (text: string, contentType?: string, fromPage = false) => ({
  bytes: Buffer.from(text),
  contentType,
  fromPage,
});

describe("decodeObject()", () => {
  it.each([
    ['{"a":1}', "application/json", { a: 1 }],
    ['{"a":1}', "application/json; charset=utf-8", { a: 1 }],
    ["a: 1\nb: [x, z]\n", "application/yaml", { a: 1, b: ["x", "z"] }],
    ["a: 1\n", undefined, { a: 1 }],
    ['{"a":1}', undefined, { a: 1 }],
    ["a: 1\n", "application/x-www-form-urlencoded", { a: 1 }],
    [
      "mode: 0644\ntime: 12:30\nday: 2026-01-02\nflag: on\n",
      undefined,
      { mode: 420, time: "12:30", day: "2026-01-02", flag: true },
    ],
    ["base: &b {x: 1}\nmerged: {<<: *b, z: 2}\n", undefined, { base: { x: 1 }, merged: { x: 1, z: 2 } }],
  ])("reads %j as %s", async (text, type, value) => {
    expect(await decodeObject(body(text, type), "Route")).toEqual({ value, faults: [] });
  });

  it("tells repeated fields in Kubernetes' words", async () => {
    expect((await decodeObject(body('{"s":{"a":1,"a":2}}', "application/json"), "Route")).faults).toEqual([
      'duplicate field "s.a"',
    ]);
    expect((await decodeObject(body("s:\n  a: 1\n  a: 2\n"), "Route")).faults).toEqual([
      'yaml: unmarshal errors:\n  line 3: key "a" already set in map',
    ]);
  });

  it.each([
    ["", "application/json", "json parse error: unexpected end of JSON input (<empty>)"],
    ['{"a":', "application/json", 'json parse error: unexpected end of JSON input ({"a":)'],
    ["[]", "application/json", "json parse error: array instead of an object (5b5d)"],
    ["a: [", undefined, "yaml parse error: "],
    ["7", undefined, "yaml parse error: number instead of an object (37)"],
  ])("refuses %j", async (text, type, message) => {
    await expect(decodeObject(body(text, type), "Route")).rejects.toThrow(message);
  });

  it("refuses other types, and untyped bodies from pages", async () => {
    await expect(decodeObject(body("a: 1", "application/xml"), "Route")).rejects.toMatchObject({
      reason: "UnsupportedMediaType",
    });
    await expect(decodeObject(body("a: 1", "text/plain", true), "Route")).rejects.toMatchObject({
      reason: "UnsupportedMediaType",
    });
    await expect(decodeObject(body("a: 1", undefined, true), "Route")).rejects.toMatchObject({
      reason: "UnsupportedMediaType",
    });
    await expect(decodeObject(body('{"a":1}', "application/json", true), "Route")).resolves.toBeDefined();
  });

  it("parses large YAML in a thread, its errors too", async () => {
    const large = Array.from({ length: 1000 }, (_, at) => `key${at}: {a: 1, b: two}\n`).join("");
    const { value } = await decodeObject(body(large), "Route");
    expect(Object.keys(value)).toHaveLength(1000);
    await expect(decodeObject(body(`${large}broken: [`), "Route")).rejects.toThrow("yaml parse error");
  });
});

describe("decodeOptional()", () => {
  it("takes no body, or one of its kind", async () => {
    expect(await decodeOptional(body(""), "DeleteOptions")).toBeUndefined();
    expect(await decodeOptional(body("{}", "application/json"), "DeleteOptions")).toEqual({});
    await expect(decodeOptional(body('{"kind":"Route"}', "application/json"), "DeleteOptions")).rejects.toThrow(
      'the body has kind "Route"',
    );
  });
});

describe("decodePatch()", () => {
  it.each([
    ["application/json-patch+json", "[]", "json"],
    ["application/merge-patch+json", "{}", "merge"],
    ["application/strategic-merge-patch+json", "{}", "strategic"],
    [undefined, "a: 1", "strategic"],
    ["application/yaml", "a: 1", "strategic"],
  ])("reads %s", async (type, text, expected) => {
    expect((await decodePatch(body(text, type))).type).toBe(expected);
  });

  it("refuses apply with a sentence, and types that are no patch", async () => {
    await expect(decodePatch(body("{}", "application/apply-patch+yaml"))).rejects.toThrow(
      "server-side apply is not supported yet",
    );
    await expect(decodePatch(body("{}", "application/json"))).rejects.toMatchObject({ reason: "UnsupportedMediaType" });
    await expect(decodePatch(body("{", "application/merge-patch+json"))).rejects.toThrow(
      "error decoding patch: unexpected end of JSON input",
    );
    await expect(decodePatch(body("[]", "application/merge-patch+json"))).rejects.toThrow("cannot unmarshal array");
  });
});

describe("checkShape()", () => {
  it("bounds nesting and refuses __proto__ anywhere", () => {
    let deep: unknown = 1;
    for (let level = 0; level < maxDepth; level += 1) deep = { deep };
    expect(() => checkShape(deep)).not.toThrow();
    expect(() => checkShape({ deep })).toThrow("nests deeper than");
    expect(() => checkShape(JSON.parse('{"a":[{"__proto__":1}]}'))).toThrow('"__proto__"');
  });
});
