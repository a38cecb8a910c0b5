import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { makeCertificate } from "../../test/support/registry.ts";
import { execCredential } from "./kubeconfig-exec.ts";
import { httpClient } from "./http.ts";
import { inClusterConnection } from "./in-cluster.ts";
import type { Connection } from "./kubeconfig.ts";

const env = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };
const version = { method: "GET", path: "/version" } as const;

async function serviceAccount(files: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "elafros-account-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return directory;
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A server that takes one token at a time, and says which came. */
async function tokenServer() {
  const state = { good: "one", seen: [] as (string | undefined)[] };
  const server = createServer((request, response) => {
    const token = request.headers.authorization?.replace("Bearer ", "");
    state.seen.push(token);
    response.writeHead(token === state.good ? 200 : 401, { "content-type": "application/json" }).end("{}");
  });
  return { state, server: `http://127.0.0.1:${await listening(server)}` };
}

describe("inClusterConnection", () => {
  it("inClusterConnection() reads the kubelet's files, and the token again when it may be another", async () => {
    const directory = await serviceAccount({ token: "one\n", "ca.crt": "PEM", namespace: "elafros-system\n" });
    const clock = manualClock();
    const connection = await inClusterConnection({ env, directory, clock });
    expect(connection).toMatchObject({
      server: "https://10.96.0.1:443",
      ca: "PEM",
      namespace: "elafros-system",
      insecure: false,
    });
    expect(await connection.token?.()).toBe("one");
    await writeFile(join(directory, "token"), "two");
    expect(await connection.token?.()).toBe("one");
    await clock.advance(10_000);
    expect(await connection.token?.()).toBe("two");
    await writeFile(join(directory, "token"), "three");
    expect(await connection.token?.("two")).toBe("three");
  });

  it("inClusterConnection() brackets an IPv6 address", async () => {
    const directory = await serviceAccount({ "ca.crt": "", namespace: "x" });
    const connection = await inClusterConnection({ env: { ...env, KUBERNETES_SERVICE_HOST: "fd00::1" }, directory });
    expect(connection.server).toBe("https://[fd00::1]:443");
  });

  it("inClusterConnection() says what is missing", async () => {
    await expect(inClusterConnection({ env: {} })).rejects.toThrow(
      "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT aren't set, as they are in a Pod: run there, or name a kubeconfig",
    );
    const directory = await serviceAccount({ token: "one", namespace: "x" });
    await expect(inClusterConnection({ env, directory })).rejects.toThrow(
      `Cannot read "${directory}/ca.crt": ENOENT: give the Pod a ServiceAccount`,
    );
  });
});

describe("credentials that change", () => {
  it("httpClient() asks again with the new token where the old one is refused, once", async () => {
    const { state, server } = await tokenServer();
    const directory = await serviceAccount({ token: "one", "ca.crt": "PEM", namespace: "x" });
    const connection = await inClusterConnection({ env, directory });
    const client = httpClient({ ...connection, server });
    onTestFinished(() => client.close());
    expect((await client.request(version)).status).toBe(200);
    state.good = "two";
    await writeFile(join(directory, "token"), "two");
    expect((await client.request(version)).status).toBe(200);
    expect(state.seen).toEqual(["one", "one", "two"]);
    state.good = "three";
    expect((await client.request(version)).status).toBe(401);
    expect(state.seen).toEqual(["one", "one", "two", "two"]);
  });

  it("execCredential() runs the plugin once for all who wait, and again where its token is refused", async () => {
    const directory = await mkdtemp(join(tmpdir(), "elafros-plugin-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const plugin = join(directory, "plugin");
    const script = `#!/bin/sh\nmkdir ${directory}/run.$$\nprintf '{"status":{"token":"%s"}}' "$(ls ${directory} | grep -c run)"\n`;
    await writeFile(plugin, script, { mode: 0o755 });
    const credential = execCredential({ command: plugin }, { server: "", source: "" } as Connection);
    const all = await Promise.all([credential(), credential(), credential()]);
    expect(all.map(({ token }) => token)).toEqual(["1", "1", "1"]);
    expect((await credential()).token).toBe("1");
    expect((await credential("1")).token).toBe("2");
    expect((await credential("1")).token).toBe("2");
  });

  it("httpClient() reads the CA again where the server's certificate is by another, and refuses one by neither", async () => {
    const directory = await serviceAccount({});
    const made = await Promise.all(
      ["a", "b", "c"].map(async (name) => {
        await mkdir(join(directory, name));
        const { ca, certificate, key } = await makeCertificate(join(directory, name), "127.0.0.1");
        return { ca: await readFile(ca, "utf8"), cert: await readFile(certificate), key: await readFile(key) };
      }),
    );
    const [a, b, c] = made;
    const server = createTlsServer({ cert: a?.cert, key: a?.key }, (_, response) => response.end("{}"));
    const port = await listening(server);
    for (const [name, text] of Object.entries({ token: "t", "ca.crt": a?.ca ?? "", namespace: "x" })) {
      await writeFile(join(directory, name), text);
    }
    const connection = await inClusterConnection({ env, directory });
    const client = httpClient({ ...connection, server: `https://127.0.0.1:${port}` });
    onTestFinished(() => client.close());
    const change = (to: typeof a) => {
      server.setSecureContext({ cert: to?.cert, key: to?.key });
      server.closeAllConnections();
    };
    expect((await client.request(version)).status).toBe(200);
    await writeFile(join(directory, "ca.crt"), b?.ca ?? "");
    change(b);
    expect((await client.request(version)).status).toBe(200);
    change(c);
    await expect(client.request(version)).rejects.toThrow(`its certificate isn't signed by the CA in ${directory}`);
  });
});
