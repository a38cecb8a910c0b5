/** `elafros install` and `uninstall`, run as a person does, against a simulated Kubernetes. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Configuration } from "../../src/api/configuration.ts";
import { Secret } from "../../src/api/secret.ts";
import { type HttpClient, httpClient } from "../../src/client/http.ts";
import { isOurs } from "../../src/kubernetes/install/install.ts";
import { kindOf } from "../../src/kubernetes/install/kinds.ts";
import { find } from "../../src/kubernetes/install/wait.ts";
import { manifests } from "../../src/kubernetes/manifests/manifests.ts";
import { defaultInstall } from "../../src/kubernetes/manifests/names.ts";
import { type Cluster, startCluster } from "../support/cluster/cluster.ts";

let cluster: Cluster;
let client: HttpClient;
let home: string;
/** Runs the program, as a person does. */
function elafros(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = join(import.meta.dirname, "../../bin/elafros");
  const env = { ...process.env, KUBECONFIG: join(home, "kubeconfig") };
  return new Promise((resolve) => {
    execFile(program, args, { env, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const present = async () => {
  const found = await Promise.all(manifests(defaultInstall).map((manifest) => find(client, manifest)));
  return found.filter((one) => one !== undefined).filter(isOurs);
};

beforeAll(async () => {
  cluster = await startCluster();
  client = httpClient(cluster.connection);
  home = await mkdtemp(join(tmpdir(), "elafros-install-"));
  await cluster.kubeconfig(join(home, "kubeconfig"));
});
afterAll(async () => {
  client.close();
  await cluster.stop();
  await rm(home, { recursive: true });
});

describe("elafros install", () => {
  const argsOf = async () => {
    const key = { namespace: "elafros-system", name: "elafros-controller" };
    const { spec } = (await client.get(kindOf({ kind: "Deployment" }), key)) as unknown as {
      spec: { template: { spec: { containers: { args: string[] }[] } } };
    };
    return spec.template.spec.containers[0]?.args ?? [];
  };
  const domainOf = async () => (await argsOf())[2];

  it("--dry-run prints what would be applied, and applies nothing", async () => {
    const { code, stdout } = await elafros("install", "--dry-run", "--domain", "apps.example.org");
    expect(code).toBe(0);
    const printed = parseAllDocuments(stdout).map((document) => document.toJSON() as object);
    expect(printed).toEqual(manifests({ ...defaultInstall, domain: "apps.example.org" }));
    const json = await elafros("install", "--dry-run", "-o", "json", "--domain", "apps.example.org");
    expect((JSON.parse(json.stdout) as { items: unknown }).items).toEqual(printed);
    expect(await present()).toEqual([]);
  });

  it("keeps the domain that is installed, and elafros uninstall takes all away", async () => {
    const registry = [
      "--build-registry",
      "registry.example/builds",
      "--build-registry-secret",
      "login",
      "--step-memory",
      "2Gi",
    ];
    const first = await elafros("install", "--no-wait", "--domain", "apps.example.org", ...registry);
    expect(first).toEqual({
      code: 0,
      stdout: "✓ Defining the kinds\n✓ Applying controllers and gateways\n",
      stderr: "",
    });
    expect(await domainOf()).toBe("apps.example.org");
    expect((await elafros("install", "--no-wait", "--image", "registry.example/elafros:3")).code).toBe(0);
    expect(await domainOf()).toBe("apps.example.org");
    expect(await argsOf()).toEqual(expect.arrayContaining(registry));
    await client.create(Configuration, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      metadata: { name: "app", namespace: "default" },
      spec: { revisionTemplate: { spec: { container: { image: "registry.example/app:1" } } } },
    });
    const refused = await elafros("uninstall");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("Error: Cannot uninstall: 1 service is there (default/app)");
    expect(await elafros("uninstall", "--delete-services")).toEqual({
      code: 0,
      stdout: "✓ Deleting services\n✓ Removing Elafros\n",
      stderr: "",
    });
    expect(await present()).toEqual([]);
  });

  it("keeps what it was told of HTTPS until it is told otherwise", async () => {
    const args = async (name: string) => {
      const key = { namespace: "elafros-system", name };
      const { spec } = (await client.get(kindOf({ kind: "Deployment" }), key)) as unknown as {
        spec: { template: { spec: { containers: { args: string[] }[] } } };
      };
      return spec.template.spec.containers[0]?.args.join(" ");
    };
    const acme = [
      "--acme-server",
      "https://ca.example.com/dir",
      "--acme-eab-kid",
      "k1",
      "--acme-eab-key",
      join(home, "eab"),
    ];
    await writeFile(join(home, "eab"), "c2VjcmV0LXNlY3JldC1zZWNyZXQ");
    expect(await elafros("install", "--no-wait", "--https", "--https-redirect", ...acme)).toMatchObject({ code: 0 });
    expect(await elafros("install", "--no-wait", "--acme-email", "a@example.com")).toMatchObject({ code: 0 });
    expect(await args("elafros-gateway")).toMatch(/ --https --https-redirect$/);
    expect(await args("elafros-controller")).toMatch(
      / --https --acme-server https:\/\/ca.example.com\/dir --acme-email a@example.com --acme-eab-kid k1 --acme-eab-key \S+$/,
    );
    const secret = { namespace: "elafros-system", name: "elafros-acme" };
    expect(atob((await client.get(Secret, secret)).data?.["eab-key"] ?? "").trim()).toBe("c2VjcmV0LXNlY3JldC1zZWNyZXQ");
    expect(await elafros("install", "--no-wait", "--no-https")).toMatchObject({ code: 0 });
    expect([await args("elafros-gateway"), await args("elafros-controller")].join()).not.toContain("--https");
    await expect(client.get(Secret, secret)).rejects.toMatchObject({ reason: "NotFound" });
  });

  it("says what is wrong with what it is told", async () => {
    expect(await elafros("install", "-o", "json")).toMatchObject({
      code: 2,
      stderr: 'Error: -o "json" is for --dry-run: add it, or leave -o out\n',
    });
    const bad = await elafros("install", "--domain", "No.Domain");
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain("option '--domain <domain>' argument 'No.Domain' is invalid");
  });
});
