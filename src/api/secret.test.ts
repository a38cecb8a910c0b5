import { describe, expect, test } from "vitest";
import { admit, faultTexts } from "../../test/support/faults.ts";
import { ConfigMap } from "./config-map.ts";
import { maxDataBytes } from "./data.ts";
import { Secret } from "./secret.ts";
import { ServiceAccount } from "./service-account.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const secret = (fields: object): unknown => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "s", namespace: "default" },
  ...fields,
});
const configMap = (fields: object): unknown => ({ ...(secret(fields) as object), kind: "ConfigMap" });

describe("Secret", () => {
  test("is Opaque unless it says otherwise", () => {
    expect(admit(Secret, secret({})).object.type).toBe("Opaque");
  });

  test("moves stringData into data, where it wins", () => {
    const { object, faults } = admit(
      Secret,
      secret({ data: { a: base64("old"), b: base64("b") }, stringData: { a: "nëw" } }),
    );
    expect(faults).toEqual([]);
    expect(object.data).toEqual({ a: base64("nëw"), b: base64("b") });
    expect(object).not.toHaveProperty("stringData");
  });

  test("takes a key named __proto__ for a key", () => {
    const { object, faults } = admit(
      Secret,
      JSON.parse(JSON.stringify(secret({})).replace(/}$/, ',"stringData":{"__proto__":"x"}}')),
    );
    expect(faults).toEqual([]);
    expect(Object.entries(object.data ?? {})).toEqual([["__proto__", base64("x")]]);
  });

  test("never repeats a value in a fault", () => {
    for (const fields of [
      { data: { a: "hunter2!" } },
      { data: { ".dockerconfigjson": base64("hunter2") }, type: "kubernetes.io/dockerconfigjson" },
    ]) {
      const faults = faultTexts(Secret, secret(fields));
      expect(faults).toHaveLength(1);
      expect(faults.join()).not.toContain("hunter2");
      expect(faults.join()).not.toContain(base64("hunter2"));
    }
  });

  test.each<[string, object, string[]]>([
    [
      "a value that is no base64",
      { data: { a: "%%" } },
      ['data[a]: Invalid value: "…": must be base64: use stringData for plain text'],
    ],
    [
      "a value without its padding",
      { data: { a: "YQ" } },
      ['data[a]: Invalid value: "…": must be base64: use stringData for plain text'],
    ],
    [
      "a value that is no string",
      { data: { a: 1 } },
      ['data.a: Invalid value: "integer": data.a in body must be of type string: "integer"'],
    ],
    [
      "a key that is no file name",
      { stringData: { "..": "x" } },
      ["data[..]: Invalid value: \"..\": must not be '..'"],
    ],
    [
      "plain text that is no string",
      { stringData: { a: true } },
      ['stringData.a: Invalid value: "boolean": stringData.a in body must be of type string: "boolean"'],
    ],
    [
      "a registry's Secret without credentials",
      { type: "kubernetes.io/dockerconfigjson" },
      ["data[.dockerconfigjson]: Required value"],
    ],
    [
      "credentials that are no JSON",
      { type: "kubernetes.io/dockercfg", stringData: { ".dockercfg": "[]" } },
      ['data[.dockercfg]: Invalid value: "<secret contents redacted>": must be a JSON object'],
    ],
    ["basic-auth without both", { type: "kubernetes.io/basic-auth" }, ["data[username or password]: Required value"]],
    ["ssh-auth without a key", { type: "kubernetes.io/ssh-auth" }, ["data[ssh-privatekey]: Required value"]],
    [
      "tls without either",
      { type: "kubernetes.io/tls" },
      ["data[tls.crt]: Required value", "data[tls.key]: Required value"],
    ],
    [
      "a token's Secret without its account",
      { type: "kubernetes.io/service-account-token" },
      ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    ],
    [
      "more than a mebibyte",
      { stringData: { a: "x".repeat(maxDataBytes / 2), b: "y".repeat(maxDataBytes / 2 + 16) } },
      ["data: Too long: must have at most 1048576 bytes"],
    ],
  ])("refuses %s", (_, fields, expected) => {
    expect(faultTexts(Secret, secret(fields))).toEqual(expected);
  });

  test.each([
    { type: "kubernetes.io/dockerconfigjson", stringData: { ".dockerconfigjson": '{"auths":{}}' } },
    { type: "kubernetes.io/basic-auth", stringData: { password: "x" } },
    { type: "example.com/mine" },
    { type: "constructor" },
    { data: { empty: "" } },
    { data: { wrapped: "aGVs\nbG8=\n" } },
  ])("accepts %j", (fields) => {
    expect(faultTexts(Secret, secret(fields))).toEqual([]);
  });

  test("keeps its type, and its data where it is immutable", () => {
    const { object: old } = admit(Secret, secret({ stringData: { a: "1" }, immutable: true }));
    expect(faultTexts(Secret, { ...old }, old)).toEqual([]);
    expect(faultTexts(Secret, { ...old, type: "other" }, old)).toEqual([
      'type: Invalid value: "other": field is immutable',
    ]);
    expect(faultTexts(Secret, { ...old, immutable: false, data: { a: base64("2") } }, old)).toEqual([
      "immutable: Forbidden: field is immutable when `immutable` is set",
      "data: Forbidden: field is immutable when `immutable` is set",
    ]);
    expect(faultTexts(Secret, { ...old, metadata: { ...old.metadata, labels: { a: "b" } } }, old)).toEqual([]);
  });
});

describe("ConfigMap", () => {
  test("accepts text and bytes under different keys", () => {
    expect(faultTexts(ConfigMap, configMap({ data: { a: "1" }, binaryData: { b: "AP8=" } }))).toEqual([]);
  });

  test.each<[string, object, string[]]>([
    [
      "one key in both maps",
      { data: { a: "1" }, binaryData: { a: "AP8=" } },
      ['binaryData[a]: Invalid value: "a": duplicate of a key present in data'],
    ],
    [
      "bytes that are no base64",
      { binaryData: { a: "?" } },
      ['binaryData[a]: Invalid value: "…": must be base64: use data for plain text'],
    ],
    [
      "more than a mebibyte",
      { data: { a: "é".repeat(maxDataBytes / 2 + 1) } },
      ["data: Too long: must have at most 1048576 bytes"],
    ],
  ])("refuses %s", (_, fields, expected) => {
    expect(faultTexts(ConfigMap, configMap(fields))).toEqual(expected);
  });

  test("keeps its data where it is immutable", () => {
    const { object: old } = admit(ConfigMap, configMap({ data: { a: "1" }, immutable: true }));
    expect(faultTexts(ConfigMap, { ...old, binaryData: { b: "AP8=" } }, old)).toEqual([
      "binaryData: Forbidden: field is immutable when `immutable` is set",
    ]);
  });
});

test("ServiceAccount has names of Secrets, each once, and no token in instances", () => {
  const account = (fields: object) => ({ ...(secret(fields) as object), kind: "ServiceAccount" });
  expect(faultTexts(ServiceAccount, account({ imagePullSecrets: [{ name: "a" }], secrets: [{ name: "b" }] }))).toEqual(
    [],
  );
  expect(
    faultTexts(
      ServiceAccount,
      account({ imagePullSecrets: [{ name: "a" }, { name: "a" }], automountServiceAccountToken: true }),
    ),
  ).toEqual([
    'imagePullSecrets[1].name: Duplicate value: "a"',
    "automountServiceAccountToken: Forbidden: instances never get a token: leave it out",
  ]);
  expect(faultTexts(ServiceAccount, account({ secrets: [{ name: "A" }] }))[0]).toContain(
    "secrets[0].name: Invalid value",
  );
});
