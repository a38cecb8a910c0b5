/** Installing on a simulated Kubernetes, and uninstalling: what `npm run check:cluster` does on a real one. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Configuration } from "../../src/api/configuration.ts";
import { routedFinalizer } from "../../src/api/labels.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import { Revision } from "../../src/api/revision.ts";
import { type HttpClient, httpClient } from "../../src/client/http.ts";
import { install, isOurs } from "../../src/kubernetes/install/install.ts";
import { kindOf } from "../../src/kubernetes/install/kinds.ts";
import { uninstall } from "../../src/kubernetes/install/uninstall.ts";
import { find } from "../../src/kubernetes/install/wait.ts";
import { Pod } from "../../src/kubernetes/kinds/pod.ts";
import { manifests } from "../../src/kubernetes/manifests/manifests.ts";
import { defaultInstall, partOf } from "../../src/kubernetes/manifests/names.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { judgeGood } from "../cluster/objects.ts";
import { type Cluster, startCluster } from "../support/cluster/cluster.ts";

const all = manifests(defaultInstall);
const apiVersion = "elafros.dev/v1alpha1";
const container = { image: "registry.example/app:1" };

let cluster: Cluster;
let client: HttpClient;
let told: string[];

const waiting = () => ({ client, clock: systemClock });
const steps = { start: () => {}, done: (label: string) => void told.push(label) };
const installed = (options = defaultInstall) => install(waiting(), options, { steps, rollout: false });
const uninstalled = (deleteServices: boolean) => uninstall(waiting(), defaultInstall, { steps, deleteServices });
/** What is there of the installation. */
const present = async () => {
  const found = await Promise.all(all.map((manifest) => find(client, manifest)));
  return found.filter((one) => one !== undefined).filter(isOurs);
};

beforeAll(async () => {
  cluster = await startCluster();
  client = httpClient(cluster.connection);
  told = [];
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

describe("installing", () => {
  it("refuses where a definition is somebody else's, and touches nothing", async () => {
    const definition = all.find(({ metadata }) => metadata.name === "builds.build.dev");
    if (definition === undefined) throw new Error("There is no definition of Builds");
    const kind = kindOf(definition);
    await client.create(kind, { ...definition, metadata: { name: definition.metadata.name } });
    await expect(installed()).rejects.toThrow(
      "CustomResourceDefinition builds.build.dev is there and wasn't made by Elafros",
    );
    await uninstalled(true);
    expect((await client.get(kind, definition.metadata)).metadata.deletionTimestamp).toBeUndefined();
    await client.delete(kind, definition.metadata);
  });

  it("applies everything, and again without a change", async () => {
    await installed();
    expect(told.slice(-2)).toEqual(["Defining the kinds", "Applying controllers and gateways"]);
    const first = await present();
    expect(first).toHaveLength(all.length);
    await installed();
    const generations = (objects: typeof first) => objects.map(({ metadata }) => metadata.generation);
    expect(generations(await present())).toEqual(generations(first));
  });

  it("brings another version, and leaves the number of Pods that somebody chose", async () => {
    const deployment = kindOf({ kind: "Deployment" });
    const key = { namespace: defaultInstall.namespace, name: "elafros-gateway" };
    await client.patch(deployment, key, { type: "merge", body: { spec: { replicas: 5 } } });
    await installed({ ...defaultInstall, image: "registry.example/elafros:2" });
    const { spec } = (await client.get(deployment, key)) as unknown as {
      spec: { replicas: number; template: { spec: { containers: { image: string }[] } } };
    };
    expect(spec.replicas).toBe(5);
    expect(spec.template.spec.containers.map(({ image }) => image)).toEqual(["registry.example/elafros:2"]);
  });

  it("makes the API server take the examples", async () => {
    expect(await judgeGood(client, "default")).toEqual([]);
  });
});

describe("uninstalling", () => {
  it("refuses while there is a service, and takes all away when it is told to", async () => {
    await client.create(Configuration, {
      apiVersion,
      kind: "Configuration",
      metadata: { name: "app", namespace: "default" },
      spec: { revisionTemplate: { spec: { container } } },
    });
    // As the controllers hold it while a Route names it; nobody is there who would let it go.
    await client.create(Revision, {
      apiVersion,
      kind: "Revision",
      metadata: { name: "app-00001", namespace: "default", finalizers: [routedFinalizer] },
      spec: { container },
    });
    await expect(uninstalled(false)).rejects.toThrow("Cannot uninstall: 1 service is there (default/app)");
    expect(await present()).toHaveLength(all.length);
    await uninstalled(true);
    expect(await present()).toEqual([]);
  });

  it("ends its Pods soon, and before their namespace, which Kubernetes else looks at again only after minutes", async () => {
    await installed();
    const { namespace } = defaultInstall;
    await client.create<KubeObject>(Pod, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "gateway-1", namespace, labels: partOf },
      // As a gateway's: whoever deletes it without another word waits so long.
      spec: { terminationGracePeriodSeconds: 615, containers: [{ name: "gateway", image: container.image }] },
    } as KubeObject);
    const deleted: string[] = [];
    const watched: HttpClient = {
      ...client,
      delete(kind, key, options) {
        if (kind.kind === "Pod") deleted.push(`Pod ${key.name}, ${options?.gracePeriodSeconds} s`);
        else if (kind.kind === "Namespace") deleted.push(`Namespace ${key.name}`);
        return client.delete(kind, key, options);
      },
    };
    await uninstall({ client: watched, clock: systemClock }, defaultInstall, { steps, deleteServices: false });
    expect(deleted).toEqual(["Namespace build-templates", "Pod gateway-1, 5 s", `Namespace ${namespace}`]);
    expect(await present()).toEqual([]);
  });

  it("has nothing to do where nothing is", async () => {
    await uninstalled(false);
    expect(told.at(-1)).toBe("Removing Elafros");
  });
});
