import { describe, expect, it } from "vitest";
import type { Configuration, Revision, Route, Secret, ServiceAccount } from "../../objects.ts";
import {
  accountManifest,
  configMapManifest,
  configurationManifest,
  routeManifest,
  secretManifest,
  templateOf,
  withImage,
} from "./manifests.ts";
import { needsOf } from "./needs.ts";

/** What servers write. */
const written = {
  namespace: "default",
  uid: "u",
  resourceVersion: "7",
  generation: 3,
  creationTimestamp: "2026-01-01T00:00:00Z",
  selfLink: "/x",
  managedFields: [{}],
  ownerReferences: [],
};
const stamps = { "elafros.dev/creator": "ann", "elafros.dev/last-modifier": "bob" };
const apiVersion = "elafros.dev/v1alpha1";

const configuration = {
  apiVersion,
  kind: "Configuration",
  metadata: {
    ...written,
    name: "hello",
    labels: { team: "shop" },
    annotations: { ...stamps, note: "mine", "kubectl.kubernetes.io/last-applied-configuration": "{}" },
  },
  spec: { revisionTemplate: { spec: { container: { image: "i:1" } } } },
  status: { observedGeneration: 3 },
} as unknown as Configuration;

const route = (traffic: Route["spec"]["rollout"]["traffic"]) =>
  ({
    apiVersion,
    kind: "Route",
    metadata: { ...written, name: "hello", annotations: { ...stamps, "elafros.dev/previous-traffic": "[]" } },
    spec: { rollout: { traffic, duration: "30s" }, domains: ["www.example.com"] },
    status: {},
  }) as unknown as Route;

describe("manifests", () => {
  it("configurationManifest() keeps what was said, and nothing of a server's", () => {
    const { revisionTemplate: template } = configuration.spec;
    expect(configurationManifest(configuration, { template, build: undefined })).toEqual({
      apiVersion,
      kind: "Configuration",
      metadata: { name: "hello", labels: { team: "shop" }, annotations: { note: "mine" } },
      spec: { revisionTemplate: { spec: { container: { image: "i:1" } } } },
    });
  });

  it("templateOf() gives the template that a Revision was made from", () => {
    const revision = {
      apiVersion,
      kind: "Revision",
      metadata: {
        ...written,
        name: "hello-00003",
        labels: { "elafros.dev/configuration": "hello", "elafros.dev/type": "function", team: "shop" },
        annotations: { ...stamps, "elafros.dev/configurationGeneration": "3", "elafros.dev/git-commit": "abc" },
      },
      spec: { buildName: "hello-00003", container: { image: "localhost/default/hello" } },
    } as unknown as Revision;
    expect(templateOf(revision)).toEqual({
      metadata: {
        labels: { "elafros.dev/type": "function", team: "shop" },
        annotations: { "elafros.dev/git-commit": "abc" },
      },
      spec: { container: { image: "localhost/default/hello" } },
    });
  });

  it.each([
    ["localhost/default/hello", "Always", {}],
    ["registry.example/hello:1", "IfNotPresent", {}],
    ["registry.example/hello:1", "Always", { imagePullPolicy: "Always" }],
    ["registry.example/hello:1", undefined, {}],
  ] as const)("withImage() in the place of %s with the policy %s", (image, policy, kept) => {
    const container = { image, ...(policy === undefined ? {} : { imagePullPolicy: policy }) };
    expect(withImage({ spec: { container } }, "r.example/x@sha256:1").spec.container).toEqual({
      image: "r.example/x@sha256:1",
      ...kept,
    });
  });

  it("routeManifest() keeps targets that follow Configurations, and how traffic is shifted", () => {
    const traffic = [
      { configurationName: "hello", percent: 90, name: "main" },
      { configurationName: "other", percent: 10 },
    ];
    expect(routeManifest(route(traffic))).toEqual({
      apiVersion,
      kind: "Route",
      metadata: { name: "hello" },
      spec: { rollout: { traffic, duration: "30s" }, domains: ["www.example.com"] },
    });
  });

  it("routeManifest() follows the Configuration where the Route names Revisions", () => {
    const { spec } = routeManifest(route([{ revisionName: "hello-00002", name: "current", percent: 100 }]));
    expect(spec).toMatchObject({
      rollout: { traffic: [{ configurationName: "hello", percent: 100 }], duration: "30s" },
    });
  });

  it("accountManifest() leaves out the Secrets that Kubernetes makes", () => {
    const account = {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { ...written, name: "runner" },
      secrets: [{ name: "runner-token-abcde" }, { name: "git" }],
      imagePullSecrets: [{ name: "pull" }],
    } as ServiceAccount;
    expect(accountManifest(account)).toEqual({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "runner" },
      secrets: [{ name: "git" }],
      imagePullSecrets: [{ name: "pull" }],
    });
  });

  it("secretManifest() and configMapManifest() keep type and values", () => {
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { ...written, name: "s" },
      type: "t",
      data: { a: "Yg==" },
    };
    expect(secretManifest(secret as Secret)).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s" },
      type: "t",
      data: { a: "Yg==" },
    });
    const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { ...written, name: "m" }, data: { a: "b" } };
    expect(configMapManifest(map)).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "m" },
      data: { a: "b" },
    });
  });
});

it("needsOf() finds every Secret and ConfigMap that is named", () => {
  const needs = needsOf(
    {
      container: {
        image: "i",
        env: [
          { name: "A", valueFrom: { secretKeyRef: { name: "env-secret", key: "k" } } },
          { name: "B", valueFrom: { configMapKeyRef: { name: "env-map", key: "k" } } },
        ],
        envFrom: [{ secretRef: { name: "all-secret" } }, { configMapRef: { name: "all-map" } }],
      },
      imagePullSecrets: [{ name: "pull" }],
      volumes: [
        { name: "a", secret: { secretName: "volume-secret" } },
        { name: "b", configMap: { name: "volume-map" } },
        { name: "c", projected: { sources: [{ secret: { name: "part" } }, { configMap: { name: "part-map" } }] } },
      ],
    },
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "s" },
      imagePullSecrets: [{ name: "pull" }, { name: "pull-too" }],
    },
    { spec: { tls: [{ secretName: "tls", hosts: ["h"] }] } } as Route,
  );
  expect(needs).toEqual({
    secrets: ["all-secret", "env-secret", "part", "pull", "pull-too", "tls", "volume-secret"],
    configMaps: ["all-map", "env-map", "part-map", "volume-map"],
  });
});
