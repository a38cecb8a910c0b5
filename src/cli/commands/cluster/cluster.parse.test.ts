import { describe, expect, it } from "vitest";
import { parseOptions } from "../../../../test/support/cli.ts";
import { manifests } from "../../../kubernetes/manifests/manifests.ts";
import { defaultInstall, type InstallOptions } from "../../../kubernetes/manifests/names.ts";
import { clusterControlCommand } from "./control.ts";
import { clusterGatewayCommand } from "./gateway.ts";
import { installCommand, type InstallCommandOptions } from "./install.ts";

/** What the Pods of a part are started with, less the command's name. */
function argsOf(part: string, options: Partial<InstallOptions>): string[] {
  const found = manifests({ ...defaultInstall, ...options }).find(
    ({ kind, metadata }) => kind === "Deployment" && metadata.name === `elafros-${part}`,
  );
  const spec = found?.["spec"] as { template: { spec: { containers: { args: string[] }[] } } } | undefined;
  const [command, ...args] = spec?.template.spec.containers[0]?.args ?? [];
  expect(command).toBe(part === "controller" ? "cluster-control" : "cluster-gateway");
  return args;
}

const acme = { server: "https://ca.example.com/dir", email: "a@example.com", ca: "CA", eabKid: "k1", eabKey: "K" };

describe("what the manifests start", () => {
  it.each<[Partial<InstallOptions>, object]>([
    [{ domain: "apps.example.com" }, { https: false }],
    [{ domain: "apps.example.com", https: true }, { https: true }],
    [
      { domain: "apps.example.com", https: true, acme },
      {
        https: true,
        acmeServer: acme.server,
        acmeEmail: acme.email,
        acmeCa: "/var/run/elafros/acme/ca.crt",
        acmeEabKid: "k1",
        acmeEabKey: "/var/run/elafros/acme/eab-key",
      },
    ],
    [
      { domain: "apps.example.com", stepMemory: "2Gi", stepMemoryRequest: "none", authorities: "own" },
      { stepMemory: "2Gi", stepMemoryRequest: "none", authorities: "own" },
    ],
  ])("cluster-control understands what it is told for %j", async (options, expected) => {
    const told = await parseOptions<object>(clusterControlCommand, argsOf("controller", options));
    expect(told).toMatchObject({ domain: "apps.example.com", lease: "elafros-controller", ...expected });
    const acmes = (of: object) => Object.keys(of).filter((name) => name.startsWith("acme"));
    expect(acmes(told).sort()).toEqual(acmes(expected).sort());
  });

  it.each<[Partial<InstallOptions>, object]>([
    [{}, { https: false, httpsRedirect: false }],
    [{ https: true }, { https: true, httpsRedirect: false }],
    [
      { https: true, httpsRedirect: true },
      { https: true, httpsRedirect: true },
    ],
  ])(
    "cluster-gateway understands what it is told for %j, and keeps keys where there is memory",
    async (options, expected) => {
      const told = await parseOptions<{ keyDir: string }>(clusterGatewayCommand, argsOf("gateway", options));
      expect(told).toMatchObject({ controllers: "elafros-controller.elafros-system.svc:7443", ...expected });
      const mounted = JSON.stringify(manifests({ ...defaultInstall, ...options })).includes(
        `"mountPath":"${told.keyDir}"`,
      );
      expect(mounted).toBe(options.https === true);
    },
  );
});

describe("installCommand", () => {
  const defaults = { dryRun: false, wait: true };

  it.each<[string[], Partial<InstallCommandOptions>]>([
    [[], {}],
    [["--https", "--https-redirect"], { https: true, httpsRedirect: true }],
    [["--no-https", "--no-https-redirect"], { https: false, httpsRedirect: false }],
    [
      ["--acme-server", acme.server, "--acme-email", acme.email, "--acme-ca", "/ca", "--acme-eab-kid", "k"],
      { acmeServer: acme.server, acmeEmail: acme.email, acmeCa: "/ca", acmeEabKid: "k" },
    ],
    [["--acme-server", "none"], { acmeServer: "none" }],
    [["--authorities", "own-ca"], { authorities: "own-ca" }],
    [["--step-memory", "2Gi", "--step-memory-request", "none"], { stepMemory: "2Gi", stepMemoryRequest: "none" }],
  ])("reads %j", async (argv, expected) => {
    expect(await parseOptions<InstallCommandOptions>(installCommand, argv)).toEqual({ ...defaults, ...expected });
  });

  it.each([
    [["--acme-server", "http://ca.example.com/dir"], "Give an https:// URL"],
    [["--acme-email", "nobody"], "Give one e-mail address"],
    [["--image", "No Image"], "Give the name of an image"],
    [["--step-memory", "much"], "Give a quantity of bytes such as 512Mi or 4Gi, or none"],
    [["--step-memory-request", "0"], "Give a quantity of bytes such as 512Mi or 4Gi, or none"],
  ])("refuses %j with the way out", async (argv, message) => {
    await expect(parseOptions<InstallCommandOptions>(installCommand, argv)).rejects.toThrow(message);
  });
});
