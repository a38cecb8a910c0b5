/** The API server as a server: discovery, OpenAPI, long lists, streams, certificates, sockets and its end. */
import { X509Certificate } from "node:crypto";
import { get as httpsGet } from "node:https";
import { connect } from "node:tls";

import { describe, expect, it } from "vitest";
import { parse } from "yaml";

import { allKinds } from "../../src/api/kinds.ts";
import { Pod } from "../../src/api/pod.ts";
import { createApiServer } from "../../src/apiserver/server.ts";
import { bindSocket } from "../../src/lib/listening-socket.ts";
import { silentLog } from "../../src/lib/log.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { ApiError } from "../../src/api/meta/errors.ts";
import { type ApiBench, apiBench } from "../support/api-server.ts";

const routes = "/apis/elafros.dev/v1alpha1/namespaces/default/routes";
type Json = Record<string, unknown>;

function route(name: string): object {
  const spec = { rollout: { traffic: [{ configurationName: "a", percent: 100 }] } };
  return { apiVersion: "elafros.dev/v1alpha1", kind: "Route", metadata: { name }, spec };
}

interface Stream {
  status: number;
  text: string;
  ended: boolean;
  close(): void;
}

function open(bench: ApiBench, path: string): Promise<Stream> {
  const { port, pki, admin } = bench;
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, ca: pki.ca, cert: admin.cert, key: admin.key, agent: false };
    const request = httpsGet(options, (response) => {
      const stream: Stream = {
        status: response.statusCode ?? 0,
        text: "",
        ended: false,
        close: () => request.destroy(),
      };
      response.on("data", (chunk: Buffer) => (stream.text += chunk.toString()));
      response.on("end", () => (stream.ended = true));
      response.on("error", () => {});
      resolve(stream);
    });
    request.on("error", reject);
  });
}

describe("discovery", () => {
  it("createDiscovery() names every kind under its group, with its status and verbs", async () => {
    const bench = await apiBench();
    const groups = (await bench.ask("GET", "/apis")).json as {
      groups: { name: string; preferredVersion: { groupVersion: string } }[];
    };
    for (const kind of allKinds) {
      const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
      const { resources } = (await bench.ask("GET", root)).json as { resources: Json[] };
      const found = resources.find(({ name }) => name === kind.plural);
      expect(found, kind.kind).toMatchObject({
        kind: kind.kind,
        namespaced: kind.namespaced,
        singularName: kind.singular,
      });
      expect(
        resources.some(({ name }) => name === `${kind.plural}/status`),
        kind.kind,
      ).toBe(kind.hasStatus);
      if (kind.group !== "") {
        expect(groups.groups.find(({ name }) => name === kind.group)?.preferredVersion.groupVersion).toBe(
          `${kind.group}/${kind.version}`,
        );
      }
    }
    const yaml = await bench.ask("GET", "/api/v1", { headers: { accept: "application/yaml" } });
    expect(parse(yaml.text)).toMatchObject({ kind: "APIResourceList", groupVersion: "v1" });
    expect((await bench.ask("GET", "/apis/absent.dev")).status).toBe(404);
    expect((await bench.ask("DELETE", "/apis")).status).toBe(405);
  });

  it("aggregatedGroups() gives all of it in two answers to those who ask", async () => {
    const bench = await apiBench();
    for (const version of ["v2", "v2beta1"]) {
      const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
      const { json, headers } = await bench.ask("GET", "/apis", { headers: { accept: `${type},application/json` } });
      expect(headers["content-type"]).toBe(type);
      const { items } = json as { items: { metadata: Json; versions: { resources: Json[] }[] }[] };
      const group = items.find(({ metadata }) => metadata["name"] === "elafros.dev");
      expect(group?.versions[0]?.resources).toContainEqual(
        expect.objectContaining({
          resource: "routes",
          scope: "Namespaced",
          singularResource: "route",
          shortNames: ["rt"],
        }),
      );
    }
    const plain = await bench.ask("GET", "/apis", { headers: { accept: "application/json,*/*" } });
    expect(plain.json).toMatchObject({ kind: "APIGroupList" });
  });

  it("createOpenApi() lists documents by hash, with field validation and every reference resolved", async () => {
    const bench = await apiBench();
    const { paths } = (await bench.ask("GET", "/openapi/v3")).json as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    expect(Object.keys(paths)).toContain("apis/elafros.dev/v1alpha1");
    for (const { serverRelativeURL } of Object.values(paths)) {
      const { json, headers, text } = await bench.ask("GET", serverRelativeURL);
      expect(headers["cache-control"]).toBe("public, immutable");
      const { components } = json as { components: { schemas: Json } };
      for (const [, name = ""] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
        expect(components.schemas).toHaveProperty([name]);
      expect(text).not.toContain("x-elafros-refused");
      expect(text).not.toContain("x-elafros-duplicate");
      const [path = ""] = serverRelativeURL.split("?");
      const again = await bench.ask("GET", path, { headers: { "if-none-match": String(headers["etag"]) } });
      expect([again.status, again.text]).toEqual([304, ""]);
    }
    const { json } = await bench.ask("GET", "/openapi/v3/apis/elafros.dev/v1alpha1");
    const document = json as {
      paths: Record<string, { patch: { parameters: Json[]; "x-kubernetes-group-version-kind": Json } }>;
    };
    const patch = document.paths["/apis/elafros.dev/v1alpha1/namespaces/{namespace}/routes/{name}"]?.patch;
    expect(patch?.parameters.map(({ name }) => name)).toContain("fieldValidation");
    expect(patch?.["x-kubernetes-group-version-kind"]).toEqual({
      group: "elafros.dev",
      version: "v1alpha1",
      kind: "Route",
    });
    expect((await bench.ask("GET", "/openapi/v3/apis/absent.dev/v1")).status).toBe(404);
  });
});

describe("answers", () => {
  it("sendListing() writes long lists whole, in every form", async () => {
    const bench = await apiBench();
    const names = Array.from({ length: 100 }, (_, at) => `r${String(at).padStart(3, "0")}`);
    await Promise.all(names.map((name) => bench.ask("POST", routes, { body: route(name) })));
    const found = (list: unknown): unknown =>
      (list as { items: { metadata: Json }[] }).items.map(({ metadata }) => metadata["name"]);
    const plain = await bench.ask("GET", routes);
    expect(plain.json).toMatchObject({ kind: "RouteList", apiVersion: "elafros.dev/v1alpha1" });
    expect(found(plain.json)).toEqual(names);
    const yaml = await bench.ask("GET", routes, { headers: { accept: "application/yaml" } });
    expect(parse(yaml.text)).toEqual(plain.json);
    const table = await bench.ask("GET", routes, {
      headers: { accept: "application/json;as=Table;g=meta.k8s.io;v=v1" },
    });
    const { rows, columnDefinitions } = table.json as { rows: { cells: unknown[] }[]; columnDefinitions: unknown[] };
    expect(rows.map(({ cells }) => cells[0])).toEqual(names);
    expect(rows.every(({ cells }) => cells.length === columnDefinitions.length)).toBe(true);
    const partial = await bench.ask("GET", routes, {
      headers: { accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1" },
    });
    expect(partial.json).toMatchObject({ kind: "PartialObjectMetadataList" });
    expect(found(partial.json)).toEqual(names);
    expect(partial.text).not.toContain("configurationName");
  });

  it("sendHealth() tells each check", async () => {
    const bench = await apiBench();
    expect((await bench.ask("GET", "/readyz?verbose", { as: null })).text).toBe("[+]ping ok\nreadyz check passed\n");
    expect((await bench.ask("GET", "/livez/ping", { as: null })).text).toBe("ok");
    expect((await bench.ask("GET", "/livez/nothing", { as: null })).status).toBe(404);
  });

  it("streamLog() passes logs on, and answers an error before the first line as a Status", async () => {
    const pods = {
      kind: Pod,
      list: () => [
        {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name: "p", namespace: "default", uid: "u", creationTimestamp: "2026-01-01T00:00:00Z" },
        },
      ],
      subscribe: () => () => {},
    };
    let aborted = false;
    const bench = await apiBench({
      virtual: [pods],
      logs: {
        async *open(_namespace, _pod, { previous, follow }, signal) {
          if (previous === true) throw new ApiError("BadRequest", "the instance has no earlier container");
          yield "line\n";
          if (follow !== true) return;
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
          aborted = true;
        },
      },
    });
    const log = "/api/v1/namespaces/default/pods/p/log";
    const plain = await bench.ask("GET", log);
    expect([plain.status, plain.text, plain.headers["content-type"]]).toEqual([200, "line\n", "text/plain"]);
    for (const path of [`${log}?previous=true`, `${log}?previous=true&follow=true`]) {
      expect((await bench.ask("GET", path)).json).toMatchObject({
        code: 400,
        message: "the instance has no earlier container",
      });
    }
    expect((await bench.ask("GET", `${log}?tailLines=-1`)).status).toBe(422);
    expect((await bench.ask("POST", log)).status).toBe(405);
    const stream = await open(bench, `${log}?follow=true`);
    await expect.poll(() => stream.text).toBe("line\n");
    stream.close();
    await expect.poll(() => aborted).toBe(true);
  });
});

describe("createApiServer()", () => {
  it("ends watches when it closes, and takes no more connections", async () => {
    const bench = await apiBench();
    const stream = await open(bench, `${routes}?watch=true`);
    await bench.ask("POST", routes, { body: route("one") });
    await expect.poll(() => stream.text).toContain('"type":"ADDED"');
    await bench.server.close(5000);
    await expect.poll(() => stream.ended).toBe(true);
    await expect(bench.ask("GET", "/livez")).rejects.toThrow("ECONNREFUSED");
  });

  it("uses a renewed certificate for new connections", async () => {
    const bench = await apiBench();
    const shown = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(
          { host: "127.0.0.1", port: bench.port, ca: bench.pki.ca, servername: "localhost" },
          () => {
            resolve(socket.getPeerX509Certificate()?.serialNumber ?? "");
            socket.destroy();
          },
        );
        socket.on("error", reject);
      });
    const before = await shown();
    expect(before).toBe(new X509Certificate(bench.pki.serving().cert).serialNumber);
    const { openPki } = await import("../../src/apiserver/pki.ts");
    const renamed = await openPki({ dir: `${bench.dir}/pki`, names: ["new.example.com"], clock: systemClock });
    bench.server.setCertificate(renamed.serving());
    expect(await shown()).toBe(new X509Certificate(renamed.serving().cert).serialNumber);
    expect((await bench.ask("GET", "/api")).status).toBe(200);
  });

  it("listens on an inherited descriptor", async () => {
    const bench = await apiBench();
    const socket = bindSocket("127.0.0.1", 0);
    const { service, authorizer, tokens, pki } = bench;
    const tls = { ...pki.serving(), ca: pki.ca };
    const checks = (): Record<string, string | undefined> => ({ store: "the disk is full" });
    const server = await createApiServer({
      service,
      kinds: allKinds,
      authorizer,
      tokens,
      tls,
      version: "0",
      clock: systemClock,
      log: silentLog,
      checks,
    });
    const { port } = await server.listen({ fd: socket.fd });
    try {
      const other = { ...bench, port };
      const stream = await open(other, "/readyz");
      await expect.poll(() => stream.ended).toBe(true);
      expect([stream.status, stream.text]).toEqual([
        500,
        "[+]ping ok\n[-]store failed: the disk is full\nreadyz check failed\n",
      ]);
    } finally {
      await server.close();
    }
  });
});
