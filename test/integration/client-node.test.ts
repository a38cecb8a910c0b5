/** The official JavaScript client against both servers of the API: create, list, patch, watch, informer. */
import { readFile } from "node:fs/promises";

import {
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  type KubernetesObject,
  ListWatch,
  PatchStrategy,
  RbacAuthorizationV1Api,
  setHeaderOptions,
  Watch,
} from "@kubernetes/client-node";
import { describe, expect, it, onTestFinished } from "vitest";

import { type ApiSide, apiSides } from "../support/api-sides.ts";

const place = { group: "elafros.dev", version: "v1alpha1", namespace: "default", plural: "routes" };
const path = "/apis/elafros.dev/v1alpha1/namespaces/default/routes";

function route(name: string, configurationName: string): object {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name },
    spec: { rollout: { traffic: [{ configurationName, percent: 100 }] } },
  };
}

async function connect(open: () => Promise<ApiSide>): Promise<{ config: KubeConfig; routes: CustomObjectsApi }> {
  const bench = await open();
  const config = new KubeConfig();
  config.loadFromString(await readFile(await bench.kubeconfig("admin", ["system:masters"]), "utf8"));
  return { config, routes: config.makeApiClient(CustomObjectsApi) };
}

describe.each(apiSides)("@kubernetes/client-node %s", (name, open) => {
  it("creates, reads, patches, replaces and deletes", async () => {
    const { config, routes } = await connect(open);
    await routes.createNamespacedCustomObject({ ...place, body: route("shop", "one") });
    const patched = (await routes.patchNamespacedCustomObject(
      { ...place, name: "shop", body: { metadata: { labels: { a: "b" } } } },
      setHeaderOptions("Content-Type", PatchStrategy.MergePatch),
    )) as KubernetesObject;
    expect(patched.metadata?.labels).toEqual({ a: "b" });
    const read = (await routes.getNamespacedCustomObject({ ...place, name: "shop" })) as KubernetesObject & {
      spec: unknown;
    };
    await routes.replaceNamespacedCustomObject({
      ...place,
      name: "shop",
      body: { ...read, ...route("shop", "two"), metadata: read.metadata },
    });
    await expect(routes.replaceNamespacedCustomObject({ ...place, name: "shop", body: read })).rejects.toMatchObject({
      code: 409,
    });
    const list = (await routes.listNamespacedCustomObject(place)) as { items: KubernetesObject[] };
    expect(list.items).toHaveLength(1);
    await routes.deleteNamespacedCustomObject({ ...place, name: "shop" });
    await expect(routes.getNamespacedCustomObject({ ...place, name: "shop" })).rejects.toMatchObject({ code: 404 });

    const core = config.makeApiClient(CoreV1Api);
    await core.createNamespacedSecret({
      namespace: "default",
      body: { metadata: { name: "s" }, stringData: { a: "b" } },
    });
    expect((await core.readNamespacedSecret({ namespace: "default", name: "s" })).data).toEqual({ a: "Yg==" });
    const rbac = config.makeApiClient(RbacAuthorizationV1Api);
    expect((await rbac.listClusterRole()).items.map(({ metadata }) => metadata?.name)).toContain("view");
  });

  it("watches and follows with an informer", async () => {
    const { config, routes } = await connect(open);
    const events: string[] = [];
    const request = await new Watch(config).watch(
      path,
      {},
      (phase, object: KubernetesObject) => void events.push(`${phase} ${object.metadata?.name}`),
      () => {},
    );
    onTestFinished(() => request.abort());
    const list = async (): Promise<never> => (await routes.listNamespacedCustomObject(place)) as never;
    const informer = new ListWatch(path, new Watch(config), list, false);
    const informed: string[] = [];
    informer.on("add", ({ metadata }) => void informed.push(`add ${metadata?.name}`));
    informer.on("update", ({ metadata }) => void informed.push(`update ${metadata?.labels?.["n"]}`));
    informer.on("delete", ({ metadata }) => void informed.push(`delete ${metadata?.name}`));
    await informer.start();
    onTestFinished(() => informer.stop());

    await routes.createNamespacedCustomObject({ ...place, body: route("shop", "one") });
    await expect.poll(() => informed).toEqual(["add shop"]);
    const patch = (how: string) =>
      routes.patchNamespacedCustomObject(
        { ...place, name: "shop", body: { metadata: { labels: { n: "1" } } } },
        setHeaderOptions("Content-Type", how),
      );
    // A Kubernetes knows no strategic merge of custom resources.
    if (name === "on Kubernetes") {
      await expect(patch(PatchStrategy.StrategicMergePatch)).rejects.toMatchObject({ code: 415 });
      await patch(PatchStrategy.MergePatch);
    } else await patch(PatchStrategy.StrategicMergePatch);
    await routes.deleteNamespacedCustomObject({ ...place, name: "shop" });
    await expect.poll(() => informed).toEqual(["add shop", "update 1", "delete shop"]);
    expect(events).toEqual(["ADDED shop", "MODIFIED shop", "DELETED shop"]);
  });
});
