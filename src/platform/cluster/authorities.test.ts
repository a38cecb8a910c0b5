import { expect, it } from "vitest";
import { memoryCluster } from "../../../test/support/memory-cluster.ts";
import { ConfigMap } from "../../api/config-map.ts";
import { createAuthorities } from "./authorities.ts";

const place = { namespace: "elafros-system", name: "authorities" };
const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`;

it.each<[string, Record<string, string> | undefined, string | undefined, string[]]>([
  [
    "the certificates, and nothing else of the text",
    { "ca.crt": `# ours\n${pem("AAAA")}\n\n${pem("BBBB")}` },
    `${pem("AAAA")}\n${pem("BBBB")}\n`,
    [],
  ],
  ["that it isn't there", undefined, undefined, ["it isn't there"]],
  ["that it has none", { "ca.crt": "none" }, undefined, ['it has no certificates in PEM under the key "ca.crt"']],
  [
    "that the key is another",
    { "tls.crt": pem("AAAA") },
    undefined,
    ['it has no certificates in PEM under the key "ca.crt"'],
  ],
  ["that it is too large", { "ca.crt": pem("A".repeat(1 << 18)) }, undefined, ["it has more than 262144 bytes"]],
])("createAuthorities() gives or says %s", async (_, data, expected, said) => {
  const cluster = memoryCluster();
  if (data !== undefined) cluster.put(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata: place, data });
  const warned: unknown[] = [];
  const read = createAuthorities(cluster.client, place, {
    warn: (values: object) => void warned.push((values as { why: unknown }).why),
  });
  expect(await read()).toBe(expected);
  expect(warned).toEqual(said);
});
