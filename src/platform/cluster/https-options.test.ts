import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryCluster } from "../../../test/support/memory-cluster.ts";
import { makeCertificate } from "../../apiserver/pki-certificates.ts";
import { kindOf } from "../../kubernetes/install/kinds.ts";
import { manifests } from "../../kubernetes/manifests/manifests.ts";
import { type AcmeInstall, defaultInstall, type InstallOptions } from "../../kubernetes/manifests/names.ts";
import { type HttpsTold, settleHttps } from "./https-options.ts";
import { readInstalled } from "./installed.ts";

let dir: string;
let ca: string;
const file = (name: string) => join(dir, name);
const server = "https://ca.test/dir";
const eabKey = "c2VjcmV0LXNlY3JldC1zZWNyZXQ\n";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-told-"));
  ca = (await makeCertificate({ make: "authority", name: "ca", days: 1, now: Date.now() })).cert;
  await writeFile(file("ca.pem"), ca);
  await writeFile(file("eab"), eabKey);
  await writeFile(file("empty"), "");
});
afterAll(() => rm(dir, { recursive: true }));

const email = "a@example.com";
const whole = (): AcmeInstall => ({ server, email, ca: `${ca.trim()}\n`, eabKid: "k1", eabKey });
const told = (): HttpsTold => ({
  https: true,
  acmeServer: server,
  acmeEmail: email,
  acmeCa: file("ca.pem"),
  acmeEabKid: "k1",
  acmeEabKey: file("eab"),
});

describe("settleHttps()", () => {
  it("has no HTTPS where nobody says so", async () => {
    expect(await settleHttps({})).toEqual({});
  });

  it("takes what is told, with what is in the files", async () => {
    const settled = await settleHttps({ ...told(), httpsRedirect: true });
    expect(settled).toEqual({ https: true, httpsRedirect: true, acme: whole() });
  });

  it.each<[string, HttpsTold, object]>([
    ["everything stays where nothing is told", {}, { https: true, httpsRedirect: true, acme: whole }],
    ["the redirection is taken back", { httpsRedirect: false }, { https: true, httpsRedirect: false, acme: whole }],
    ["the ACME server is taken back", { acmeServer: "none" }, { https: true, httpsRedirect: true }],
    [
      "parts are taken back",
      { acmeEmail: "none", acmeCa: "none", acmeEabKid: "none", acmeEabKey: "none" },
      { https: true, httpsRedirect: true, acme: { server } },
    ],
    [
      "another server begins anew",
      { acmeServer: "https://other.test/dir" },
      { https: true, httpsRedirect: true, acme: { server: "https://other.test/dir" } },
    ],
    ["HTTPS is taken back, and all with it", { https: false }, {}],
  ])("%s", async (_, now, expected) => {
    const before = { https: true, httpsRedirect: true, acme: whole() };
    const settled = await settleHttps(now, before);
    expect(settled).toEqual("acme" in expected && expected.acme === whole ? { ...expected, acme: whole() } : expected);
  });

  it.each<[HttpsTold, string]>([
    [{ acmeServer: server }, "Cannot use --acme-server: the gateways serve no HTTPS: add --https"],
    [{ httpsRedirect: true }, "Cannot use --https-redirect: the gateways serve no HTTPS: add --https"],
    [{ https: false, acmeEmail: email }, "Cannot use --acme-email: the gateways serve no HTTPS: add --https"],
    [
      { https: true, acmeEmail: email },
      "Cannot use --acme-email: there is no ACME server: name one with --acme-server",
    ],
    [
      { https: true, acmeServer: server, acmeEabKid: "k" },
      "Cannot use --acme-eab-kid without --acme-eab-key: give both, or neither",
    ],
    [{ https: true, acmeServer: server, acmeCa: "empty" }, 'Cannot use --acme-ca "'],
    [{ https: true, acmeServer: server, acmeEabKid: "k", acmeEabKey: "empty" }, 'Cannot use --acme-eab-key "'],
    [{ https: true, acmeServer: server, acmeCa: "missing" }, "ENOENT"],
  ])("refuses %j", async ({ acmeCa, acmeEabKey, ...rest }, message) => {
    const files = {
      ...(acmeCa === undefined ? {} : { acmeCa: file(acmeCa) }),
      ...(acmeEabKey === undefined ? {} : { acmeEabKey: file(acmeEabKey) }),
    };
    await expect(settleHttps({ ...rest, ...files })).rejects.toThrow(message);
  });
});

describe("readInstalled()", () => {
  const installed = (options: Partial<InstallOptions>) => {
    const cluster = memoryCluster();
    for (const manifest of manifests({ ...defaultInstall, ...options })) cluster.put(kindOf(manifest), manifest);
    return readInstalled(cluster.client, defaultInstall.namespace);
  };

  it("has nothing where nothing is installed", async () => {
    expect(await readInstalled(memoryCluster().client, defaultInstall.namespace)).toBeUndefined();
  });

  it.each<[string, () => Partial<InstallOptions>]>([
    ["HTTP only", () => ({ domain: "apps.example.org", https: false, httpsRedirect: false })],
    ["the own CA", () => ({ domain: "apps.example.org", https: true, httpsRedirect: true })],
    [
      "builds",
      () => ({
        domain: "a.org",
        https: false,
        httpsRedirect: false,
        buildRegistry: "r.example/p",
        buildRegistrySecret: "login",
        authorities: "own",
        stepMemory: "2Gi",
        stepMemoryRequest: "none",
      }),
    ],
    ["an ACME server", () => ({ domain: "a.org", https: true, httpsRedirect: false, acme: { server } })],
    ["all there is", () => ({ domain: "a.org", https: true, httpsRedirect: true, acme: whole() })],
  ])("reads back what was told: %s", async (_, options) => {
    expect(await installed(options())).toEqual(options());
  });
});
