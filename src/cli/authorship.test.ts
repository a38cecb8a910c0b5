import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ApiStub, startApiStub, type StubObject } from "../../test/support/api-stub.ts";
import { elafrosPath } from "../../test/support/cli.ts";
import { httpClient } from "../client/http.ts";
import type { Connection } from "../client/kubeconfig.ts";
import { signing } from "./authorship.ts";
import { Configuration, Secret } from "./objects.ts";

let api: ApiStub;
beforeEach(async () => {
  api = await startApiStub();
});
afterEach(() => api[Symbol.asyncDispose]());

/** What the server says its version is, and who it says that one is, by the version of the question. */
function server(gitVersion: string, users: Record<string, string> = {}): void {
  api.intercept(({ url }) => {
    if (url === "/version") return { status: 200, body: { gitVersion } };
    const [, version = ""] = /^\/apis\/authentication\.k8s\.io\/(\w+)\/selfsubjectreviews$/.exec(url) ?? [];
    const username = users[version];
    return username === undefined ? undefined : { status: 201, body: { status: { userInfo: { username } } } };
  });
}

function client(more: Partial<Connection> = {}) {
  const connection: Connection = { server: api.url, insecure: false, namespace: "default", context: "c", source: "k" };
  return signing(httpClient({ ...connection, ...more }), { ...connection, ...more });
}

const container = { image: "i" };
const configuration: Configuration = {
  apiVersion: "elafros.dev/v1alpha1",
  kind: "Configuration",
  metadata: { name: "a", namespace: "default", annotations: { other: "x" } },
  spec: { revisionTemplate: { spec: { container } } },
};
const stored = (): StubObject["metadata"]["annotations"] =>
  api.read(`${elafrosPath}/configurations/a`)?.metadata["annotations"];
const token = `x.${Buffer.from(JSON.stringify({ sub: "system:serviceaccount:ci:deployer" })).toString("base64url")}.x`;

describe("signing", () => {
  it("signing() writes who made an object and who changed its spec last, on a Kubernetes", async () => {
    server("v1.31.2", { v1: "ann" });
    await client().create(Configuration, configuration);
    expect(stored()).toEqual({ other: "x", "elafros.dev/creator": "ann", "elafros.dev/last-modifier": "ann" });
  });

  it.each<[string, object, string]>([
    ["who changes a spec", { spec: { revisionTemplate: { spec: { timeoutSeconds: 9 } } } }, "bob"],
    ["nobody where the spec stays", { metadata: { labels: { b: "c" } } }, "ann"],
  ])("signing() names %s", async (_, body, name) => {
    server("v1.27.1", { v1beta1: "bob" });
    const annotations = { "elafros.dev/creator": "ann", "elafros.dev/last-modifier": "ann" };
    const metadata = { name: "a", annotations };
    api.put(`${elafrosPath}/configurations`, { ...configuration, metadata });
    await client().patch(Configuration, { namespace: "default", name: "a" }, { type: "merge", body });
    expect(stored()).toEqual({ ...annotations, "elafros.dev/last-modifier": name });
  });

  it.each<[string, Partial<Connection>, string]>([
    ["certificate", { cert: certificate("kate") }, "kate"],
    ["token", { token: () => Promise.resolve(token) }, "system:serviceaccount:ci:deployer"],
  ])("signing() takes the name from the %s where the server can't be asked", async (_, connection, name) => {
    server("v1.26.5");
    await client(connection).create(Configuration, configuration);
    expect(stored()).toMatchObject({ "elafros.dev/creator": name });
  });

  it("signing() writes no name where nothing tells it", async () => {
    server("v1.26.5");
    await client({ token: () => Promise.resolve("opaque") }).create(Configuration, configuration);
    expect(stored()).toEqual({ other: "x" });
  });

  it("signing() leaves it to the server of one machine", async () => {
    server("v1.32.0+elafros.0.1.0", { v1: "ann" });
    await client().create(Configuration, configuration);
    expect(stored()).toEqual({ other: "x" });
  });

  it("signing() says nothing of other kinds", async () => {
    server("v1.31.2", { v1: "ann" });
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s", namespace: "default" } } as Secret;
    await client().create(Secret, secret);
    expect(api.read("/api/v1/namespaces/default/secrets/s")?.metadata).not.toHaveProperty("annotations");
  });
});

function certificate(name: string): string {
  const dir = mkdtempSync(join(tmpdir(), "elafros-certificate-"));
  const file = join(dir, "cert");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "/dev/null"];
  execFileSync("openssl", ["req", "-x509", ...key, "-subj", `/O=system:masters/CN=${name}`, "-out", file], {
    stdio: "ignore",
  });
  const pem = readFileSync(file, "utf8");
  rmSync(dir, { recursive: true });
  return pem;
}
