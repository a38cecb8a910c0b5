/** The manifests of the normative examples with Kubernetes' own JavaScript client, against the real platform with real containers. */
import {
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  type KubernetesObject,
  ListWatch,
  Log,
  PatchStrategy,
  setHeaderOptions,
  Watch,
} from "@kubernetes/client-node";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { eventually } from "../../support/platform.ts";
import { type Stage, startStage } from "../../support/stage.ts";
import { first, second, third } from "../normative/examples.ts";
import { fill } from "../normative/transcript.ts";

const group = { group: "elafros.dev", version: "v1alpha1", namespace: "default" };
const [configurations, routes] = [
  { ...group, plural: "configurations" },
  { ...group, plural: "routes" },
];
const path = (plural: string) => `/apis/elafros.dev/v1alpha1/namespaces/default/${plural}`;
const name = "my-service";

interface Condition {
  type: string;
  status: string;
}

interface Seen extends KubernetesObject {
  spec: { revisionTemplate: { spec: { container: { env?: { name: string; value: string }[] } } } };
  status?: { conditions?: Condition[]; traffic?: { revisionName: string; percent: number }[] };
}

let stage: Stage;
let config: KubeConfig;
let custom: CustomObjectsApi;

beforeAll(async () => {
  stage = await startStage();
  config = new KubeConfig();
  config.loadFromFile(stage.platform.kubeconfig);
  custom = config.makeApiClient(CustomObjectsApi);
});

afterAll(() => stage?.close());

const ready = (object: Seen) =>
  object.status?.conditions?.find(({ type }) => type === "Ready")?.status === "True" ? "ready" : "not ready";

/** An example's document with the image filled in. */
const document = (example: string, image: "app:1" | "app:2" = "app:1"): object =>
  parse(fill(example, { "gcr.io/...": stage.images[image], def: "my-service-00002" })) as object;

describe("the examples' manifests with @kubernetes/client-node", () => {
  test("create, watch: the service comes up, and each step was told", async () => {
    const told: string[] = [];
    const watching = await new Watch(config).watch(
      path("revisions"),
      {},
      (phase, object: Seen) => void told.push(`${phase} ${object.metadata?.name} ${ready(object)}`),
      () => {},
    );
    onTestFinished(() => watching.abort());
    await custom.createNamespacedCustomObject({ ...routes, body: document(second.postRoute) });
    await custom.createNamespacedCustomObject({ ...configurations, body: document(second.postConfiguration) });
    await eventually("the Revision is ready", async () => told.includes("MODIFIED my-service-00001 ready"));
    expect(told[0]).toBe("ADDED my-service-00001 not ready");
    const traffic = await eventually("all traffic is on it", async () => {
      const route = (await custom.getNamespacedCustomObject({ ...routes, name })) as Seen;
      return ready(route) === "ready" && route.status?.traffic;
    });
    expect(traffic).toEqual([{ revisionName: "my-service-00001", percent: 100 }]);
    expect((await stage.platform.ask("my-service.default.localhost")).text).toBe("Hello World from 1\n");
  });

  test("informer, patch: each kind of patch makes what the examples say, and the informer's cache follows", async () => {
    const list = async () => (await custom.listNamespacedCustomObject(configurations)) as never;
    const informer = new ListWatch<Seen>(path("configurations"), new Watch(config), list, false);
    await informer.start();
    onTestFinished(() => informer.stop());
    const env = () => informer.get(name, "default")?.spec.revisionTemplate.spec.container.env;
    expect(env()).toEqual([
      { name: "FOO", value: "bar" },
      { name: "HELLO", value: "world" },
    ]);

    const strategic = setHeaderOptions("Content-Type", PatchStrategy.StrategicMergePatch);
    const image = document(first.patchConfiguration, "app:2");
    await custom.patchNamespacedCustomObject({ ...configurations, name, body: image }, strategic);
    await custom.patchNamespacedCustomObject({ ...configurations, name, body: document(third.patchEnv) }, strategic);
    await eventually("the informer knows, and the other variable stayed", async () => {
      return JSON.stringify(env()) === '[{"name":"FOO","value":"bar"},{"name":"HELLO","value":"blurg"}]';
    });
    const merge = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
    const body = { metadata: { labels: { team: "shop" } } };
    const labelled = (await custom.patchNamespacedCustomObject({ ...configurations, name, body }, merge)) as Seen;
    expect(labelled.metadata?.labels).toEqual({ team: "shop" });
    const json = setHeaderOptions("Content-Type", PatchStrategy.JsonPatch);
    const steps = [{ op: "replace", path: "/spec/revisionTemplate/spec/container/env/0/value", value: "baz" }];
    await custom.patchNamespacedCustomObject({ ...configurations, name, body: steps }, json);
    await eventually("the newest serves", async () => {
      const answer = await stage.platform.ask("my-service.default.localhost", "/info");
      const seen = JSON.parse(answer.text) as { version: string; env: Record<string, string> };
      return seen.version === "2" && seen.env["FOO"] === "baz" && seen.env["HELLO"] === "blurg";
    });
  });

  test("pods and their logs are where Kubernetes' are; delete removes all", async () => {
    const core = config.makeApiClient(CoreV1Api);
    const pod = await eventually("only the newest Revision's instance is left", async () => {
      const { items } = await core.listNamespacedPod({ namespace: "default" });
      return items.length === 1 && items[0];
    });
    const log = new PassThrough();
    await new Log(config).log("default", pod.metadata?.name ?? "", "", log, { follow: false });
    expect(await text(log)).toContain("Listening on 8080, version 2\n");
    const events = await core.listNamespacedEvent({ namespace: "default" });
    expect(events.items.map(({ reason }) => reason)).toContain("LatestReadyUpdated");

    await custom.deleteNamespacedCustomObject({ ...routes, name });
    await custom.deleteNamespacedCustomObject({ ...configurations, name });
    await eventually("its Revisions and instances are gone", async () => {
      const revisions = (await custom.listNamespacedCustomObject({ ...group, plural: "revisions" })) as {
        items: unknown[];
      };
      const { items } = await core.listNamespacedPod({ namespace: "default" });
      return revisions.items.length === 0 && items.length === 0;
    });
  });
});
