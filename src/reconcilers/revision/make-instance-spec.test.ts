import { describe, expect, it } from "vitest";
import type { ConfigMap } from "../../api/config-map.ts";
import type { Container } from "../../api/container.ts";
import type { RevisionSpec } from "../../api/revision-spec.ts";
import type { Secret } from "../../api/secret.ts";
import { makeInstanceSpec } from "./make-instance-spec.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const secrets: Record<string, Secret> = {
  creds: {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "creds" },
    data: { user: base64("ann"), password: base64("p$(x)") },
  },
};
const configMaps: Record<string, ConfigMap> = {
  settings: {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "settings" },
    data: { COLOR: "blue", "bad=name": "x" },
    binaryData: { blob: "AAE=" },
  },
};

function make(container: Partial<Container>, spec: Partial<RevisionSpec> = {}) {
  return makeInstanceSpec({
    revision: {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Revision",
      metadata: {
        name: "app-00001",
        namespace: "ns",
        labels: { "elafros.dev/configuration": "app", team: "x" },
        annotations: { note: "hi" },
      },
      spec: { container: { image: "app", ...container }, ...spec },
    },
    image: "app@sha256:1",
    auths: [{ registry: "r", username: "u", password: "p" }],
    source: { namespace: "ns", secret: (name) => secrets[name], configMap: (name) => configMaps[name] },
  });
}

function made(...args: Parameters<typeof make>) {
  const result = make(...args);
  if (!("spec" in result)) throw new Error(`Expected a spec, missing: ${result.missing.join(", ")}`);
  return result.spec;
}
const envOf = (container: Partial<Container>) =>
  Object.fromEntries(made(container).env.map(({ name, value }) => [name, value]));
const missing = (...args: Parameters<typeof make>) => {
  const result = make(...args);
  return "missing" in result ? result.missing : [];
};

describe("makeInstanceSpec() makes the whole", () => {
  it("with the defaults of core/v1", () => {
    expect(made({})).toEqual({
      image: "app@sha256:1",
      pullSecrets: [{ registry: "r", username: "u", password: "p" }],
      env: [
        { name: "PORT", value: "8080" },
        { name: "K_SERVICE", value: "app" },
        { name: "K_CONFIGURATION", value: "app" },
        { name: "K_REVISION", value: "app-00001" },
      ],
      port: 8080,
      protocol: "http1",
      security: {
        runAsNonRoot: false,
        readOnlyRootFilesystem: false,
        addCapabilities: [],
        dropCapabilities: [],
        seccomp: "RuntimeDefault",
      },
      resources: {},
      mounts: [],
      readiness: {
        action: { type: "tcp", port: 8080 },
        initialDelayMs: 0,
        periodMs: 10_000,
        timeoutMs: 1_000,
        successThreshold: 1,
        failureThreshold: 3,
      },
      terminationGraceMs: 30_000,
      terminationMessagePath: "/dev/termination-log",
      terminationMessagePolicy: "File",
      labels: { "elafros.dev/configuration": "app", "elafros.dev/revision": "app-00001", team: "x" },
    });
  });

  it("with what the container says", () => {
    const spec = made({
      command: ["sh", "-c"],
      args: ["serve $(PORT) $$(PORT) $(NO)"],
      workingDir: "/srv",
      ports: [{ containerPort: 9000, name: "h2c" }],
      resources: { limits: { cpu: "1500m", memory: "64Mi" }, requests: { cpu: "1" } },
      securityContext: { runAsUser: 7, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
      readinessProbe: { httpGet: { path: "/ok" }, periodSeconds: 2 },
      livenessProbe: { grpc: { port: 9000 } },
      startupProbe: { exec: { command: ["true"] }, failureThreshold: 30 },
    });
    expect(spec).toMatchObject({
      command: ["sh", "-c"],
      args: ["serve 9000 $(PORT) $(NO)"],
      workingDir: "/srv",
      port: 9000,
      protocol: "h2c",
      resources: { cpuMilli: 1500, memoryBytes: 64 * 2 ** 20 },
      security: { runAsUser: 7, readOnlyRootFilesystem: true, dropCapabilities: ["ALL"] },
      readiness: { action: { type: "http", path: "/ok", port: 9000, scheme: "http", http2: true }, periodMs: 2_000 },
      liveness: { action: { type: "grpc", port: 9000, service: "" } },
      startup: { action: { type: "exec", command: ["true"] }, failureThreshold: 30 },
    });
  });
});

describe("makeInstanceSpec() makes the environment", () => {
  it("from values, references and fields, each seeing those before it", () => {
    expect(
      envOf({
        envFrom: [{ prefix: "S_", configMapRef: { name: "settings" } }],
        env: [
          { name: "A", value: "1" },
          { name: "B", value: "$(A)$(S_COLOR)$(C)" },
          { name: "C", value: "late" },
          { name: "USER", valueFrom: { secretKeyRef: { name: "creds", key: "user" } } },
          { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "creds", key: "password" } } },
          { name: "NS", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
          { name: "TEAM", valueFrom: { fieldRef: { fieldPath: "metadata.labels['team']" } } },
          { name: "S_COLOR", value: "red" },
        ],
      }),
    ).toMatchObject({ A: "1", B: "1blue$(C)", USER: "ann", PASSWORD: "p$(x)", NS: "ns", TEAM: "x", S_COLOR: "red" });
  });

  it("without keys that can't be names, and without the platform's variables being overridden", () => {
    const env = envOf({ envFrom: [{ configMapRef: { name: "settings" } }], env: [{ name: "PORT", value: "1" }] });
    expect(env["PORT"]).toBe("8080");
    expect(Object.keys(env)).not.toContain("bad=name");
  });

  it("naming everything that is missing, but for what is optional", () => {
    const ref = (name: string, key: string, optional = false) => ({ secretKeyRef: { name, key, optional } });
    expect(
      missing({
        envFrom: [{ secretRef: { name: "none" } }, { configMapRef: { name: "gone", optional: true } }],
        env: [
          { name: "A", valueFrom: ref("creds", "no-key") },
          { name: "B", valueFrom: ref("creds", "no-key", true) },
          { name: "C", valueFrom: ref("none", "x") },
        ],
      }),
    ).toEqual(['secret "none" not found', "couldn't find key no-key in Secret ns/creds"]);
  });
});

describe("makeInstanceSpec() makes mounts", () => {
  const mount = (volume: NonNullable<RevisionSpec["volumes"]>[number]) =>
    made({ volumeMounts: [{ name: "v", mountPath: "/v" }] }, { volumes: [volume] }).mounts[0];

  it("of a Secret: every key a file, read-only", () => {
    expect(mount({ name: "v", secret: { secretName: "creds", defaultMode: 0o400 } })).toEqual({
      mountPath: "/v",
      readOnly: true,
      volume: "v",
      source: {
        type: "files",
        files: [
          { path: "password", data: base64("p$(x)"), mode: 0o400 },
          { path: "user", data: base64("ann"), mode: 0o400 },
        ],
      },
    });
  });

  it("of chosen items of a ConfigMap, binary ones too", () => {
    const items = [
      { key: "blob", path: "bin/blob", mode: 0o600 },
      { key: "COLOR", path: "color" },
    ];
    expect(mount({ name: "v", configMap: { name: "settings", items } })?.source).toEqual({
      type: "files",
      files: [
        { path: "bin/blob", data: "AAE=", mode: 0o600 },
        { path: "color", data: base64("blue"), mode: 0o644 },
      ],
    });
  });

  it("of several sources in one directory, and of empty directories", () => {
    const sources = [
      { secret: { name: "creds", items: [{ key: "user", path: "who" }] } },
      { configMap: { name: "settings", items: [{ key: "COLOR", path: "who" }] } },
    ];
    expect(mount({ name: "v", projected: { sources } })?.source).toMatchObject({
      files: [{ path: "who", data: base64("blue") }],
    });
    expect(mount({ name: "v", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } })).toMatchObject({
      readOnly: false,
      source: { type: "emptyDir", medium: "Memory", sizeLimitBytes: 2 ** 20 },
    });
  });

  it("naming what is missing, but for what is optional", () => {
    const container = { volumeMounts: [{ name: "v", mountPath: "/v" }] };
    const of = (volume: object) => missing(container, { volumes: [{ name: "v", ...volume }] });
    expect(of({ secret: { secretName: "none" } })).toEqual(['secret "none" not found']);
    expect(of({ secret: { secretName: "none", optional: true } })).toEqual([]);
    expect(of({ configMap: { name: "settings", items: [{ key: "k", path: "p" }] } })).toEqual([
      "references non-existent configmap key: k (ns/settings)",
    ]);
  });
});
