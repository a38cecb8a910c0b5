import { describe, expect, test } from "vitest";
import { serviceBench } from "../../test/support/service.ts";
import { ConfigMap } from "../api/config-map.ts";
import { ApiError } from "../api/meta/errors.ts";
import { Namespace } from "../api/namespace.ts";
import { Route } from "../api/route.ts";
import { inProcessClient } from "./in-process.ts";

const configMap = (name: string): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
});

const route = (name: string): Route => ({
  apiVersion: "elafros.dev/v1alpha1",
  kind: "Route",
  metadata: { name, namespace: "default" },
  spec: { rollout: { traffic: [{ configurationName: "a", percent: 100 }] } },
});

describe("inProcessClient()", () => {
  test("reads and writes with the kinds' own types", async () => {
    const { service } = await serviceBench();
    const client = inProcessClient(service, { username: "ann", groups: [] });
    const created = await client.create(ConfigMap, { ...configMap("a"), data: { k: "1" } });
    expect(created.data?.["k"]).toBe("1");
    const updated = await client.update(ConfigMap, { ...created, data: { k: "2" } });
    expect(await client.get(ConfigMap, { namespace: "default", name: "a" })).toEqual(updated);
    await expect(client.update(ConfigMap, created)).rejects.toMatchObject({ reason: "Conflict" });
    const patch = { type: "merge", body: { data: { l: "3" } } } as const;
    const patched = await client.patch(ConfigMap, { namespace: "default", name: "a" }, patch);
    expect((await client.list(ConfigMap, { namespace: "default" })).items).toEqual([patched]);
    expect((await client.list(ConfigMap)).items).toEqual([patched]);
    expect(await client.delete(ConfigMap, { namespace: "default", name: "a" })).toMatchObject({ gone: true });
    await expect(client.get(ConfigMap, { namespace: "default", name: "a" })).rejects.toBeInstanceOf(ApiError);
    expect((await client.list(Namespace)).items).toHaveLength(1);
  });

  test("writes status through its own endpoint", async () => {
    const { service } = await serviceBench();
    const client = inProcessClient(service, { username: "ann", groups: [] });
    const created = await client.create(Route, { ...route("a"), status: { domain: "dropped" } });
    expect(created.status).toBeUndefined();
    const updated = await client.updateStatus(Route, { ...created, status: { domain: "x" } });
    expect(updated.status).toEqual({ domain: "x" });
    const key = { namespace: "default", name: "a" };
    const body = { status: { domain: "y" } };
    expect((await client.patch(Route, key, { type: "merge", body, subresource: "status" })).status?.domain).toBe("y");
    expect((await client.patch(Route, key, { type: "merge", body: { status: { domain: "z" } } })).status?.domain).toBe(
      "y",
    );
  });

  test("watches until its signal", async () => {
    const { service } = await serviceBench();
    const client = inProcessClient(service, { username: "ann", groups: [] });
    const abort = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { type, object } of client.watch(ConfigMap, { namespace: "default", signal: abort.signal })) {
        seen.push(`${type} ${object.metadata.name}`);
      }
    })();
    await client.create(ConfigMap, configMap("a"));
    await expect.poll(() => seen).toEqual(["ADDED a"]);
    abort.abort();
    await watching;
  });

  test("is the user that it was made for", async () => {
    const { service } = await serviceBench({
      authorize: ({ username }) =>
        username === "admin" ? Promise.resolve() : Promise.reject(new ApiError("Forbidden", `not ${username}`)),
    });
    const client = inProcessClient(service, { username: "eve", groups: [] });
    await expect(client.list(ConfigMap)).rejects.toMatchObject({ reason: "Forbidden", message: "not eve" });
  });
});
