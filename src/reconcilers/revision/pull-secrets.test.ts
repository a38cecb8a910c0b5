import { expect, it } from "vitest";
import type { Secret } from "../../api/secret.ts";
import { registryAuths } from "./pull-secrets.ts";

const secret = (data: Record<string, unknown>): Secret => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "s" },
  data: Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(JSON.stringify(value)).toString("base64")]),
  ),
});
const auth = Buffer.from("u:p:with:colons").toString("base64");

it("registryAuths() reads users and passwords of both forms, by registry host", () => {
  const auths = { "https://index.docker.io/v1/": { auth }, "localhost:5000": { username: "a", password: "b" } };
  expect(registryAuths([secret({ ".dockerconfigjson": { auths } })])).toEqual([
    { registry: "docker.io", username: "u", password: "p:with:colons" },
    { registry: "localhost:5000", username: "a", password: "b" },
  ]);
  expect(registryAuths([secret({ ".dockercfg": { "r.example": { auth } } })])).toHaveLength(1);
});

it("registryAuths() gives all credentials for a registry, in order and each once", () => {
  const of = (username: string) =>
    secret({ ".dockerconfigjson": { auths: { "r.example": { username, password: "p" } } } });
  expect(registryAuths([of("first"), of("second"), of("first")])).toEqual([
    { registry: "r.example", username: "first", password: "p" },
    { registry: "r.example", username: "second", password: "p" },
  ]);
});

it.each([
  ["no such key", secret({ other: {} })],
  ["no object", secret({ ".dockerconfigjson": [1] })],
  [
    "no credentials",
    secret({ ".dockerconfigjson": { auths: { "r.example": {}, "s.example": { auth: "bm9jb2xvbg==" } } } }),
  ],
  ["no JSON", { ...secret({}), data: { ".dockerconfigjson": "e30x" } }],
])("registryAuths() takes nothing from a Secret with %s", (_, broken) => {
  expect(registryAuths([broken])).toEqual([]);
});
