import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ApiStub, startApiStub } from "../../test/support/api-stub.ts";
import { isReason } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { httpClient } from "./http.ts";
import type { Connection } from "./kubeconfig.ts";

interface Thing extends KubeObject {
  spec?: { value?: string };
}

const Things: Kind<Thing> = {
  group: "elafros.dev",
  version: "v1alpha1",
  kind: "Route",
  listKind: "RouteList",
  plural: "routes",
  singular: "route",
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: {},
  hasStatus: true,
  names: { form: "dns1123label", max: 63 },
  columns: [],
};
const collection = "/apis/elafros.dev/v1alpha1/namespaces/default/routes";

let api: ApiStub;

function connectionTo(server: string, more: Partial<Connection> = {}): Connection {
  return { server, insecure: false, namespace: "default", context: "test", source: "/kubeconfig", ...more };
}

function thing(name: string): Thing {
  return { apiVersion: "elafros.dev/v1alpha1", kind: "Route", metadata: { name, namespace: "default" } };
}

beforeEach(async () => {
  api = await startApiStub();
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
});

describe("httpClient", () => {
  it("httpClient() refuses what would write once it may not any more, be it on its way already, and reads on", async () => {
    let leads = true;
    const gate = Promise.withResolvers<string>();
    let waits = false;
    const token = () => (waits ? gate.promise : Promise.resolve("t"));
    const client = httpClient(connectionTo(api.url, { token }), { mayWrite: () => leads });
    const key = { namespace: "default", name: "a" };
    await client.create(Things, thing("a"));
    waits = true;
    const late = client.create(Things, thing("b"));
    leads = false;
    gate.resolve("t");
    const refused = await Promise.allSettled([
      late,
      client.patch(Things, key, { type: "merge", body: { spec: { value: "x" } } }),
      client.delete(Things, key),
    ]);
    expect(refused.map((one) => one.status === "rejected" && isReason(one.reason, "ServiceUnavailable"))).toEqual([
      true,
      true,
      true,
    ]);
    expect((await client.get(Things, key)).metadata.name).toBe("a");
    expect(api.requests.map(({ method }) => method)).toEqual(["POST", "GET"]);
    client.close();
  });

  it("httpClient() creates, reads, lists, patches and deletes by the kinds' paths, with its token", async () => {
    const client = httpClient(connectionTo(api.url, { token: () => Promise.resolve("t") }));
    const key = { namespace: "default", name: "a" };
    await client.create(Things, thing("a"));
    await client.patch(Things, key, { type: "merge", body: { spec: { value: "x" } } });
    expect((await client.get(Things, key)).spec).toEqual({ value: "x" });
    expect((await client.list(Things, { namespace: "default" })).items.map((one) => one.metadata.name)).toEqual(["a"]);
    expect((await client.delete(Things, key, { propagationPolicy: "Background" })).gone).toBe(true);
    expect(api.requests.map(({ method, url, contentType }) => [method, url, contentType])).toEqual([
      ["POST", collection, "application/json"],
      ["PATCH", `${collection}/a`, "application/merge-patch+json"],
      ["GET", `${collection}/a`, undefined],
      ["GET", collection, undefined],
      ["DELETE", `${collection}/a`, "application/json"],
    ]);
    expect(new Set(api.requests.map((request) => request.authorization))).toEqual(new Set(["Bearer t"]));
    client.close();
  });

  it("httpClient() applies as a field manager, and takes fields from others only where it is told to", async () => {
    const client = httpClient(connectionTo(api.url));
    api.intercept(({ method, body }) => (method === "PATCH" ? { status: 200, body } : undefined));
    const applied = await client.apply(Things, thing("a"), { fieldManager: "elafros", force: true });
    expect(applied.metadata.name).toBe("a");
    await client.apply(Things, thing("a"), { fieldManager: "elafros" });
    expect(api.requests.map(({ method, url, contentType }) => [method, url, contentType])).toEqual([
      ["PATCH", `${collection}/a?fieldManager=elafros&force=true`, "application/apply-patch+yaml"],
      ["PATCH", `${collection}/a?fieldManager=elafros`, "application/apply-patch+yaml"],
    ]);
    client.close();
  });

  it("httpClient() rejects with the reason that the server gives", async () => {
    const client = httpClient(connectionTo(api.url));
    const error = await client.get(Things, { namespace: "default", name: "absent" }).catch((thrown: unknown) => thrown);
    expect(isReason(error, "NotFound")).toBe(true);
    client.close();
  });

  it("httpClient() tells warnings", async () => {
    const warnings: string[] = [];
    const server = createServer((_, response) => {
      response.writeHead(200, {
        "content-type": "application/json",
        warning: '299 - "unknown field \\"spec.x\\"", 299 - "two"',
      });
      response.end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = httpClient(connectionTo(url), { onWarning: (text) => warnings.push(text) });
    await client.request({ method: "GET", path: "/" });
    client.close();
    server.close();
    expect(warnings).toEqual(['unknown field "spec.x"', "two"]);
  });

  it("httpClient() watches until its signal aborts", async () => {
    const client = httpClient(connectionTo(api.url));
    const stop = new AbortController();
    const seen: string[] = [];
    api.put(collection, { ...thing("a"), metadata: { name: "a", namespace: "default" } });
    for await (const event of client.watch(Things, {
      namespace: "default",
      resourceVersion: "0",
      signal: stop.signal,
    })) {
      seen.push(`${event.type} ${event.object.metadata.name}`);
      if (seen.length === 1) api.remove(`${collection}/a`);
      else stop.abort();
    }
    expect(seen).toEqual(["ADDED a", "DELETED a"]);
    client.close();
  });

  it("httpClient() throws what an ERROR event of a watch says", async () => {
    api.intercept(() => ({
      status: 200,
      body: `${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "too old" } })}\n`,
    }));
    const client = httpClient(connectionTo(api.url));
    const events = client.watch(Things, { namespace: "default", signal: new AbortController().signal });
    const error = await events[Symbol.asyncIterator]()
      .next()
      .catch((thrown: unknown) => thrown);
    expect(isReason(error, "Expired")).toBe(true);
    client.close();
  });

  it("httpClient() streams the lines of a log, also where a character spans two chunks", async () => {
    const euro = Buffer.from("a€\nb");
    const server = createServer((_, response) => {
      response.write(euro.subarray(0, 2));
      setImmediate(() => response.end(euro.subarray(2)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = httpClient(connectionTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    const lines: string[] = [];
    for await (const line of client.podLog({ namespace: "default", name: "p" }, { tailLines: 5 })) lines.push(line);
    expect(lines).toEqual(["a€", "b"]);
    client.close();
    server.close();
  });

  it("httpClient() says that a server doesn't speak HTTPS", async () => {
    const client = httpClient(connectionTo(api.url.replace("http:", "https:")));
    const error = await client.request({ method: "GET", path: "/" }).catch((thrown: unknown) => thrown);
    expect((error as Error).message).toContain("it doesn't speak HTTPS: check the server address in /kubeconfig");
    client.close();
  });
});
