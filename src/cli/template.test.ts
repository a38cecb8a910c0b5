import { describe, expect, it } from "vitest";
import type { Template } from "./objects.ts";
import { changeTemplate, type TemplateChanges } from "./template.ts";

const nothing: TemplateChanges = {
  image: "i:v2",
  env: [],
  secrets: [],
  pullSecrets: [],
  labels: [],
  annotations: [],
};

const before: Template = {
  metadata: { labels: { a: "1" }, annotations: { note: "x" } },
  spec: {
    container: {
      image: "i:v1",
      env: [
        { name: "FOO", value: "bar" },
        { name: "HELLO", value: "world" },
      ],
      resources: { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "500m" } },
      command: ["serve"],
    },
    timeoutSeconds: 20,
  },
};

describe("changeTemplate", () => {
  it("changeTemplate() keeps what it isn't told to change, and its input", () => {
    const copy = structuredClone(before);
    expect(changeTemplate(before, nothing)).toEqual({
      ...before,
      spec: { ...before.spec, container: { ...before.spec.container, image: "i:v2" } },
    });
    expect(before).toEqual(copy);
  });

  it("changeTemplate() changes one value of the environment in its place, adds and removes others", () => {
    const env = [{ key: "HELLO", value: "blurg" }, { key: "NEW", value: "1" }, { key: "FOO" }, { key: "ABSENT" }];
    expect(changeTemplate(before, { ...nothing, env }).spec.container.env).toEqual([
      { name: "HELLO", value: "blurg" },
      { name: "NEW", value: "1" },
    ]);
  });

  it("changeTemplate() sets a limit and drops the request that it replaces", () => {
    expect(changeTemplate(before, { ...nothing, cpu: "250m" }).spec.container.resources).toEqual({
      limits: { cpu: "250m", memory: "1Gi" },
    });
  });

  it("changeTemplate() gives secrets as variables and files, and takes them away", () => {
    const mounted = changeTemplate(before, {
      ...nothing,
      secrets: [
        { type: "env", name: "PASSWORD", secret: "db", key: "password" },
        { type: "mount", path: "/etc/db", secret: "db" },
        { type: "mount", path: "/etc/tls/key.pem", secret: "tls", key: "key" },
        { type: "all", secret: "app" },
      ],
    });
    expect(mounted.spec.container.env?.at(-1)).toEqual({
      name: "PASSWORD",
      valueFrom: { secretKeyRef: { name: "db", key: "password" } },
    });
    expect(mounted.spec.container.envFrom).toEqual([{ secretRef: { name: "app" } }]);
    expect(mounted.spec.container.volumeMounts).toEqual([
      { name: "secret-1", mountPath: "/etc/db", readOnly: true },
      { name: "secret-2", mountPath: "/etc/tls/key.pem", subPath: "key.pem", readOnly: true },
    ]);
    expect(mounted.spec.volumes).toEqual([
      { name: "secret-1", secret: { secretName: "db" } },
      { name: "secret-2", secret: { secretName: "tls", items: [{ key: "key", path: "key.pem" }] } },
    ]);
    const again = changeTemplate(mounted, {
      ...nothing,
      secrets: [
        { type: "mount", path: "/etc/db", secret: "other" },
        { type: "remove", target: "/etc/tls/key.pem" },
        { type: "remove", target: "PASSWORD" },
        { type: "all", secret: "app" },
      ],
    });
    expect(again.spec.volumes).toEqual([{ name: "secret-1", secret: { secretName: "other" } }]);
    expect(again.spec.container.volumeMounts).toEqual([{ name: "secret-1", mountPath: "/etc/db", readOnly: true }]);
    expect(again.spec.container.env).toEqual(before.spec.container.env);
    expect(again.spec.container.envFrom).toHaveLength(1);
  });

  it("changeTemplate() adds and removes labels, annotations and pull secrets", () => {
    const after = changeTemplate(before, {
      ...nothing,
      labels: [{ key: "a" }, { key: "b", value: "2" }],
      annotations: [{ key: "note" }],
      pullSecrets: ["one", "two", "one-"],
    });
    expect(after.metadata).toEqual({ labels: { b: "2" }, annotations: {} });
    expect(after.spec.imagePullSecrets).toEqual([{ name: "two" }]);
  });
});
