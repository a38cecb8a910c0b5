import { describe, expect, test } from "vitest";
import { faultTexts } from "../../../test/support/faults.ts";
import { ConfigMap } from "../config-map.ts";
import { Namespace } from "../namespace.ts";
import { maxAnnotationBytes, validateMetadata } from "./metadata.ts";
import { dataKey, qualifiedName } from "./names.ts";
import type { ObjectMeta } from "./types.ts";

const texts = (metadata: Partial<ObjectMeta>) =>
  validateMetadata(ConfigMap, { namespace: "default", ...metadata }).map(
    ({ field, message }) => `${field}: ${message}`,
  );

const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const namePart =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const labelWords =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

describe("validateMetadata()", () => {
  test.each<[string, Partial<ObjectMeta>, string[]]>([
    ["upper case", { name: "Bad_Name" }, [`metadata.name: Invalid value: "Bad_Name": ${subdomain}`]],
    ["a slash", { name: "a/b" }, [`metadata.name: Invalid value: "a/b": ${subdomain}`]],
    ["a dash first", { name: "-a" }, [`metadata.name: Invalid value: "-a": ${subdomain}`]],
    ["no name", { name: "" }, ["metadata.name: Required value: name or generateName is required"]],
    [
      "a name that is too long",
      { name: "a".repeat(254) },
      [`metadata.name: Invalid value: "${"a".repeat(254)}": must be no more than 253 characters`],
    ],
    ["the longest name", { name: "a".repeat(253) }, []],
    ["a name with dots", { name: "a.b" }, []],
    [
      "a bad generateName",
      { name: "", generateName: "A-" },
      [`metadata.generateName: Invalid value: "A-": ${subdomain}`],
    ],
    ["a generateName that ends in a dash", { name: "", generateName: "a-" }, []],
    ["no namespace", { name: "a", namespace: "" }, ["metadata.namespace: Required value"]],
    [
      "a bad label value",
      { name: "a", labels: { a: "b c" } },
      [`metadata.labels: Invalid value: "b c": ${labelWords}`],
    ],
    ["a bad label key", { name: "a", labels: { "-a": "b" } }, [`metadata.labels: Invalid value: "-a": ${namePart}`]],
    [
      "a bad annotation key",
      { name: "a", annotations: { "a b": "c" } },
      [`metadata.annotations: Invalid value: "a b": ${namePart}`],
    ],
    ["any annotation value", { name: "a", annotations: { "example.com/A": "{\n \u0000 }" } }, []],
    ["an annotation key with upper case before the slash", { name: "a", annotations: { "Example.com/a": "" } }, []],
    ["a plain finalizer", { name: "a", finalizers: ["plain"] }, []],
    ["a bad finalizer", { name: "a", finalizers: ["a b"] }, [`metadata.finalizers: Invalid value: "a b": ${namePart}`]],
    [
      "an incomplete owner",
      { name: "a", ownerReferences: [{ name: "x", apiVersion: "", kind: "", uid: "" }] },
      [
        'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
        'metadata.ownerReferences.kind: Invalid value: "": kind must not be empty',
        'metadata.ownerReferences.uid: Invalid value: "": uid must not be empty',
      ],
    ],
    [
      "two controllers",
      {
        name: "a",
        ownerReferences: ["x", "y"].map((name) => ({ name, apiVersion: "v1", kind: "K", uid: name, controller: true })),
      },
      [
        'metadata.ownerReferences: Invalid value: "array": Only one reference can have Controller set to true. Found "true" in references for x and y',
      ],
    ],
    [
      "annotations that are too large together",
      { name: "a", annotations: { a: "x".repeat(maxAnnotationBytes) } },
      ["metadata.annotations: Too long: must have at most 262144 bytes"],
    ],
  ])("judges %s", (_, metadata, expected) => {
    expect(texts(metadata)).toEqual(expected);
  });

  test("refuses a namespace on a kind without", () => {
    expect(validateMetadata(Namespace, { name: "a", namespace: "b" })).toEqual([
      { reason: "FieldValueForbidden", message: "Forbidden: not allowed on this type", field: "metadata.namespace" },
    ]);
  });

  test("knows what a Namespace may be called", () => {
    const named = (name: string) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    expect(faultTexts(Namespace, named("a-1"))).toEqual([]);
    expect(faultTexts(Namespace, named("a.b"))[0]).toContain("a lowercase RFC 1123 label");
  });
});

describe("qualifiedName()", () => {
  test.each(["a", "A.b_c-d", "example.com/a", "1", "a".repeat(63), `${"a.".repeat(126)}a/x`])("accepts %s", (name) => {
    expect(qualifiedName(name)).toEqual([]);
  });

  test.each(["", "/", "a/", "/a", "a/b/c", "A/b/", "-", "a_", "Example.com/a", "a".repeat(64), "__proto__", "ä"])(
    "refuses %j",
    (name) => {
      expect(qualifiedName(name)).not.toEqual([]);
    },
  );
});

test.each(["a", "..a".slice(1), "__proto__", "A_B", "tls.crt"])("dataKey() accepts %s", (key) => {
  expect(dataKey(key)).toEqual([]);
});

test.each(["", ".", "..", "..a", "a/b", "a b", "a\n", "x".repeat(254)])("dataKey() refuses %j", (key) => {
  expect(dataKey(key)).not.toEqual([]);
});
