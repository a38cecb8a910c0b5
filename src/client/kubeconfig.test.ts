import { chmod, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadKubeconfig, resolveConnection } from "./kubeconfig.ts";

let dir = "";

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-kubeconfig-"));
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

function config(name: string, more: { user?: string; cluster?: string; namespace?: string; current?: boolean } = {}) {
  return `apiVersion: v1
kind: Config
clusters:
- name: ${name}
  cluster: {server: "https://${name}.example:6443/", ${more.cluster ?? ""}}
users:
- name: ${name}
  user: {${more.user ?? "token: abc"}}
contexts:
- name: ${name}
  context: {cluster: ${name}, user: ${name}${more.namespace === undefined ? "" : `, namespace: ${more.namespace}`}}
${more.current === false ? "" : `current-context: ${name}`}
`;
}

async function file(name: string, text: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, text);
  return path;
}

async function connection(path: string, region?: string) {
  return resolveConnection(await loadKubeconfig({ path, env: {}, fallback: "/nowhere", cwd: dir }), region);
}

describe("loadKubeconfig", () => {
  it("loadKubeconfig() merges the files of KUBECONFIG: the first to name something wins", async () => {
    const one = await file("one", config("one"));
    const two = await file("two", config("two", { namespace: "prod" }));
    const again = await file("again", config("one").replace("one.example", "other.example"));
    const env = { KUBECONFIG: [one, join(dir, "absent"), two, again].join(":") };
    const merged = await loadKubeconfig({ env, fallback: "/nowhere", cwd: dir });
    expect([...merged.contexts.keys()]).toEqual(["one", "two"]);
    expect((await resolveConnection(merged)).server).toBe("https://one.example:6443");
    expect(await resolveConnection(merged, "two")).toMatchObject({ namespace: "prod", context: "two" });
  });

  it("loadKubeconfig() prefers --kubeconfig, and reads the fallback where nothing is given", async () => {
    const one = await file("one", config("one"));
    const two = await file("two", config("two"));
    const given = await loadKubeconfig({ path: "two", env: { KUBECONFIG: one }, fallback: "/nowhere", cwd: dir });
    expect(given.currentContext).toBe("two");
    const fallback = await loadKubeconfig({ env: { KUBECONFIG: "" }, fallback: two, cwd: "/" });
    expect(fallback.currentContext).toBe("two");
  });

  it.each([
    ["absent", undefined, /Cannot find kubeconfig ".*absent": start Elafros .*elafros up/],
    ["broken", "a: [", /Cannot parse kubeconfig ".*broken"/],
    ["empty", "", /Cannot use kubeconfig ".*empty": it is empty/],
  ])("loadKubeconfig() says what is wrong with a file that is %s", async (name, text, message) => {
    if (text !== undefined) await file(name, text);
    await expect(loadKubeconfig({ path: name, env: {}, fallback: "/nowhere", cwd: dir })).rejects.toThrow(message);
  });
});

describe("resolveConnection", () => {
  it("resolveConnection() names the contexts that there are where the region is unknown", async () => {
    const path = await file("one", config("one"));
    await expect(connection(path, "mars")).rejects.toThrow(
      `Region "mars" is not a context of kubeconfig "${path}": it has "one"`,
    );
  });

  it("resolveConnection() takes the only context where there is no current one", async () => {
    expect((await connection(await file("one", config("one", { current: false })))).context).toBe("one");
  });

  it("resolveConnection() reads certificates inline and from files beside the kubeconfig; inline wins", async () => {
    await file("ca.crt", "CA");
    await file("user.crt", "CERT");
    const data = Buffer.from("KEY").toString("base64");
    const path = await file(
      "one",
      config("one", {
        cluster: "certificate-authority: ca.crt, tls-server-name: api.internal",
        user: `client-certificate: user.crt, client-key: absent, client-key-data: ${data}`,
      }),
    );
    expect(await connection(path)).toMatchObject({ ca: "CA", cert: "CERT", key: "KEY", tlsServerName: "api.internal" });
  });

  it("resolveConnection() reads a token file anew for each request", async () => {
    const path = await file("one", config("one", { user: "tokenFile: token" }));
    await file("token", "first\n");
    const { token } = await connection(path);
    expect(await token?.()).toBe("first");
    await file("token", "second\n");
    expect(await token?.()).toBe("second");
  });

  it("resolveConnection() prefers a token file to a token", async () => {
    await file("token", "from the file\n");
    const { token } = await connection(await file("one", config("one", { user: "token: inline, tokenFile: token" })));
    expect(await token?.()).toBe("from the file");
  });

  it("resolveConnection() finds an exec plugin from the kubeconfig's directory, and asks it again for a token that was refused", async () => {
    const script = `#!/bin/sh\ncd "$(dirname "$0")"\necho x >> runs\nprintf '{"kind":"ExecCredential","status":{"token":"%s"}}' "t$(wc -l < runs)"\n`;
    await chmod(await file("rotating", script), 0o755);
    const { token } = await connection(await file("one", config("one", { user: "exec: {command: ./rotating}" })));
    expect([await token?.(), await token?.()]).toEqual(["t1", "t1"]);
    expect([await token?.("t1"), await token?.(), await token?.("t1")]).toEqual(["t2", "t2", "t2"]);
  });

  it("resolveConnection() asks an exec plugin again once its credential ends, and not before", async () => {
    const script = `#!/bin/sh\ncd "$(dirname "$0")"\necho x >> runs\nn=$(wc -l < runs)\nprintf '{"status":{"token":"t%s","clientCertificateData":"c%s","clientKeyData":"k","expirationTimestamp":"%s"}}' "$n" "$n" "$(cat ends)"\n`;
    await chmod(await file("ending", script), 0o755);
    const ends = (ms: number) => file("ends", new Date(Date.now() + ms).toISOString());
    await ends(-1_000);
    const { token, certificate } = await connection(
      await file("one", config("one", { user: "exec: {command: ./ending}" })),
    );
    expect(await token?.()).toBe("t2");
    // One that ends in a moment is as good as ended.
    await ends(5_000);
    expect(await certificate?.()).toMatchObject({ cert: "c3", key: "k" });
    await ends(3_600_000);
    expect([await token?.(), await token?.(), (await certificate?.())?.cert]).toEqual(["t4", "t4", "c4"]);
  });

  it("resolveConnection() reads certificates in files anew, and a CA where it is asked to", async () => {
    await file("ca.crt", "CA");
    await file("user.crt", "CERT");
    await file("user.key", "KEY");
    const user = "client-certificate: user.crt, client-key: user.key";
    const cluster = "certificate-authority: ca.crt";
    const { certificate, renewCa, cert } = await connection(await file("one", config("one", { cluster, user })));
    expect(cert).toBe("CERT");
    await file("ca.crt", "CA 2");
    await file("user.crt", "CERT 2");
    await file("user.key", "KEY 2");
    expect(await certificate?.()).toEqual({ cert: "CERT 2", key: "KEY 2" });
    expect(await renewCa?.()).toBe("CA 2");
  });

  it("resolveConnection() reads nothing again of what the kubeconfig itself holds", async () => {
    const data = Buffer.from("PEM").toString("base64");
    const user = `client-certificate-data: ${data}, client-key-data: ${data}`;
    const cluster = `certificate-authority-data: ${data}`;
    const found = await connection(await file("one", config("one", { cluster, user })));
    expect(found).toMatchObject({ ca: "PEM", cert: "PEM", key: "PEM" });
    expect([found.certificate, found.renewCa]).toEqual([undefined, undefined]);
  });

  it("loadKubeconfig() takes a kubeconfig that was replaced, with its other server and user", async () => {
    const path = await file("one", config("one", { user: "token: before" }));
    expect(await (await connection(path)).token?.()).toBe("before");
    await file("new", config("two", { user: "token: after" }));
    await rename(join(dir, "new"), path);
    const { server, token } = await connection(path);
    expect([server, await token?.()]).toEqual(["https://two.example:6443", "after"]);
  });

  it("resolveConnection() runs an exec plugin without a shell", async () => {
    const plugin = await file(
      "plugin",
      `#!/bin/sh\nprintf '{"kind":"ExecCredential","status":{"token":"%s"}}' "$1-$EXTRA"\n`,
    );
    await chmod(plugin, 0o755);
    const user = `exec: {apiVersion: client.authentication.k8s.io/v1, command: ${plugin}, args: ["a;b"], env: [{name: EXTRA, value: x}]}`;
    const { token } = await connection(await file("one", config("one", { user })));
    expect(await token?.()).toBe("a;b-x");
  });

  it("resolveConnection() says which exec plugin is missing, with its install hint", async () => {
    const user = "exec: {command: /nowhere/plugin, installHint: install it}";
    await expect(connection(await file("one", config("one", { user })))).rejects.toThrow(
      'Cannot get credentials from exec plugin "/nowhere/plugin": it was not found: install it',
    );
  });

  it("resolveConnection() refuses auth-provider", async () => {
    const user = "auth-provider: {name: gcp}";
    await expect(connection(await file("one", config("one", { user })))).rejects.toThrow("auth-provider");
  });
});
