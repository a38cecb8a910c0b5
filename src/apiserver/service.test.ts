import { expect, test } from "vitest";
import { ConfigMap } from "../api/config-map.ts";
import { Configuration } from "../api/configuration.ts";
import { serviceBench } from "../../test/support/service.ts";

const configMap = (name: string, data: Record<string, string> = {}): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});

test("create(), get(), list(), update(), patch() and delete() work on one object", async () => {
  const { service, as, at } = await serviceBench();
  const created = await service.create(as("ann"), at(ConfigMap), configMap("a", { k: "1" }));
  expect(created.metadata).toMatchObject({ name: "a", namespace: "default", resourceVersion: "2" });
  expect(created.metadata.selfLink).toBe("/api/v1/namespaces/default/configmaps/a");
  const updated = await service.update(as("ann"), at(ConfigMap, "a"), { ...created, data: { k: "2" } });
  expect(updated).toMatchObject({ data: { k: "2" }, metadata: { uid: created.metadata.uid } });
  const patched = await service.patch(as("ann"), at(ConfigMap, "a"), { type: "merge", body: { data: { l: "3" } } });
  expect(patched).toMatchObject({ data: { k: "2", l: "3" } });
  expect((await service.list(as("ann"), at(ConfigMap))).items).toEqual([patched]);
  const { gone } = await service.delete(as("ann"), at(ConfigMap, "a"));
  expect(gone).toBe(true);
  await expect(service.get(as("ann"), at(ConfigMap, "a"))).rejects.toMatchObject({ reason: "NotFound" });
});

test("patch() merges env by name, as scenario 3 does", async () => {
  const { service, as, at } = await serviceBench();
  await service.create(as("ann"), at(Configuration), {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name: "my-service" },
    spec: {
      revisionTemplate: {
        spec: {
          container: {
            image: "gcr.io/x",
            env: [
              { name: "FOO", value: "bar" },
              { name: "HELLO", value: "world" },
            ],
          },
        },
      },
    },
  });
  const patched = await service.patch(as("bob"), at(Configuration, "my-service"), {
    type: "strategic",
    body: { spec: { revisionTemplate: { spec: { container: { env: [{ name: "HELLO", value: "blurg" }] } } } } },
  });
  expect(patched).toMatchObject({
    metadata: {
      generation: 2,
      annotations: { "elafros.dev/creator": "ann", "elafros.dev/last-modifier": "bob" },
    },
    spec: {
      revisionTemplate: {
        spec: {
          container: {
            image: "gcr.io/x",
            env: [
              { name: "FOO", value: "bar" },
              { name: "HELLO", value: "blurg" },
            ],
          },
        },
      },
    },
  });
});
