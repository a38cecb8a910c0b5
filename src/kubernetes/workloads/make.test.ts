import { describe, expect, test } from "vitest";
import { instanceSpec } from "../../../test/support/instance-spec.ts";
import type { InstanceSpec } from "../../runtime/workloads.ts";
import { factsOf, type RevisionFacts } from "./facts.ts";
import { makeDeployment, makeService } from "./make-deployment.ts";
import { makePullSecret, makeValueSecrets } from "./make-secrets.ts";
import { makeSecurityContext, makeTemplate } from "./make-template.ts";

const key = { namespace: "n", name: "hello-00001" };
const revision: RevisionFacts = {
  owner: { apiVersion: "elafros.dev/v1alpha1", kind: "Revision", name: key.name, uid: "u", controller: true },
  serviceAccountName: "default",
  requests: {},
  timeoutSeconds: 300,
  scheduling: { nodeSelector: {}, tolerations: [] },
};
const spec = (more: Partial<InstanceSpec> = {}) => instanceSpec({ image: "r/hello@sha256:1", ...more });
const decoded = (data: Record<string, string> = {}) =>
  Object.fromEntries(Object.entries(data).map(([name, text]) => [name, Buffer.from(text, "base64").toString()]));

function template(made: InstanceSpec, facts: Partial<RevisionFacts> = {}) {
  const values = makeValueSecrets(key, made, revision.owner);
  const cluster = { drainHook: { host: "10.96.7.7", port: 8090 } };
  return makeTemplate({ key, spec: made, values, revision: { ...revision, ...facts }, cluster });
}

const containerOf = (made: InstanceSpec, facts: Partial<RevisionFacts> = {}) =>
  template(made, facts).spec.containers[0];

test("factsOf() fills in what a Revision leaves out", () => {
  const stored = {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Revision",
    metadata: { name: "r", namespace: "n", uid: "u" },
  };
  const container = { image: "i", resources: { requests: { cpu: "0.25", memory: "1Gi" }, limits: { memory: "1Gi" } } };
  const { owner, ...facts } = factsOf({ ...stored, spec: { container } });
  expect(owner).toEqual({
    apiVersion: stored.apiVersion,
    kind: "Revision",
    name: "r",
    uid: "u",
    controller: true,
    blockOwnerDeletion: true,
  });
  expect(facts).toEqual({
    serviceAccountName: "default",
    requests: { cpu: "250m", memory: "1Gi" },
    timeoutSeconds: 300,
    scheduling: { nodeSelector: {}, tolerations: [] },
  });
});

test("factsOf() reads where instances may run, and makeTemplate() asks the scheduler for it", () => {
  const annotations = {
    "scheduling.elafros.dev/node-selector": "disk=ssd",
    "scheduling.elafros.dev/tolerations": "dedicated=web:NoSchedule,spot",
  };
  const { scheduling } = factsOf({
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Revision",
    metadata: { name: "r", namespace: "n", uid: "u", annotations },
    spec: { container: { image: "i" } },
  });
  expect(template(spec(), { scheduling }).spec).toMatchObject({
    nodeSelector: { disk: "ssd" },
    tolerations: [
      { key: "dedicated", operator: "Equal", value: "web", effect: "NoSchedule" },
      { key: "spot", operator: "Exists" },
    ],
  });
  const plain = template(spec()).spec;
  expect(plain).not.toHaveProperty("nodeSelector");
  expect(plain).not.toHaveProperty("tolerations");
});

describe("makeDeployment", () => {
  test("makeDeployment() makes the whole of a plain workload", () => {
    const made = spec({ security: { ...spec().security, runAsNonRoot: true }, labels: { a: "b" } });
    const values = makeValueSecrets(key, made, revision.owner);
    const deployment = makeDeployment({ key, spec: made, values, revision, cluster: { drainHook: undefined } }, 2);
    expect(deployment).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: {
        name: "hello-00001",
        namespace: "n",
        labels: { "elafros.dev/revision": "hello-00001" },
        annotations: { "elafros.dev/template": expect.stringMatching(/^[0-9a-f]{16}$/u) as string },
        ownerReferences: [revision.owner],
      },
      spec: {
        replicas: 2,
        revisionHistoryLimit: 0,
        progressDeadlineSeconds: 600,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
        selector: { matchLabels: { "elafros.dev/revision": "hello-00001" } },
        template: {
          metadata: { labels: { a: "b", "elafros.dev/revision": "hello-00001" } },
          spec: {
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            serviceAccountName: "default",
            terminationGracePeriodSeconds: 5,
            containers: [
              {
                name: "user-container",
                image: "r/hello@sha256:1",
                imagePullPolicy: "IfNotPresent",
                env: [{ name: "PORT", value: "8080" }],
                ports: [{ name: "http1", containerPort: 8080, protocol: "TCP" }],
                readinessProbe: {
                  tcpSocket: { port: 8080 },
                  initialDelaySeconds: 0,
                  periodSeconds: 10,
                  timeoutSeconds: 1,
                  successThreshold: 1,
                  failureThreshold: 3,
                },
                startupProbe: {
                  tcpSocket: { port: 8080 },
                  initialDelaySeconds: 0,
                  periodSeconds: 1,
                  timeoutSeconds: 1,
                  successThreshold: 1,
                  failureThreshold: 2 ** 31 - 1,
                },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  capabilities: { drop: ["ALL"] },
                  runAsNonRoot: true,
                  seccompProfile: { type: "RuntimeDefault" },
                },
                terminationMessagePath: "/dev/termination-log",
                terminationMessagePolicy: "File",
              },
            ],
          },
        },
      },
    });
  });

  test("makeService() names the Pods and has no address", () => {
    expect(makeService({ key, spec: spec({ protocol: "h2c" }), revision }).spec).toEqual({
      clusterIP: "None",
      selector: { "elafros.dev/revision": "hello-00001" },
      ports: [{ name: "h2c", port: 80, targetPort: 8080, protocol: "TCP", appProtocol: "kubernetes.io/h2c" }],
    });
  });
});

describe("makeTemplate", () => {
  test("makeTemplate() has the kubelet ask before it stops an instance, and gives requests and streams their time", () => {
    expect(containerOf(spec())?.lifecycle).toEqual({
      preStop: { httpGet: { host: "10.96.7.7", port: 8090, path: "/drained/n/hello-00001", scheme: "HTTP" } },
    });
    expect(template(spec()).spec.terminationGracePeriodSeconds).toBe(605);
    expect(template(spec(), { timeoutSeconds: 3_600 }).spec.terminationGracePeriodSeconds).toBe(3_605);
  });

  test("makeTemplate() keeps dollars as they are, which Kubernetes would replace", () => {
    const container = containerOf(spec({ command: ["sh", "-c", "echo $(A) $$ $"], args: ["$(B)"] }));
    expect(container?.command).toEqual(["sh", "-c", "echo $$(A) $$$$ $$"]);
    expect(container?.args).toEqual(["$$(B)"]);
  });

  test("makeTemplate() has of a variable that is set twice the later one", () => {
    const env = [
      { name: "PORT", value: "1" },
      { name: "A", value: "x" },
      { name: "PORT", value: "2" },
    ];
    expect(containerOf(spec({ env }))?.env?.map(({ name, value }) => [name, value])).toEqual([
      ["A", undefined],
      ["PORT", "2"],
    ]);
  });

  test.each([
    [
      "http",
      { type: "http", path: "/h", port: 8080, scheme: "http", host: "h", headers: [] },
      { httpGet: { path: "/h", port: 8080, scheme: "HTTP", httpHeaders: [{ name: "Host", value: "h" }] } },
    ],
    [
      "http over HTTP/2",
      { type: "http", path: "/", port: 8080, scheme: "http", http2: true, headers: [] },
      { tcpSocket: { port: 8080 } },
    ],
    ["grpc", { type: "grpc", port: 9, service: "s" }, { grpc: { port: 9, service: "s" } }],
    ["exec", { type: "exec", command: ["true"] }, { exec: { command: ["true"] } }],
  ] as const)("makeTemplate() asks by %s, in whole seconds", (_, action, expected) => {
    const readiness = {
      ...spec().readiness,
      action: structuredClone(action) as InstanceSpec["readiness"]["action"],
      initialDelayMs: 100,
      periodMs: 1_500,
    };
    expect(containerOf(spec({ readiness }))?.readinessProbe).toMatchObject({
      ...expected,
      initialDelaySeconds: 1,
      periodSeconds: 2,
    });
  });

  test("makeTemplate() leaves a startup probe of the spec's own as it is", () => {
    const startup = { ...spec().readiness, periodMs: 5_000, failureThreshold: 30 };
    expect(containerOf(spec({ startup }))?.startupProbe).toMatchObject({ periodSeconds: 5, failureThreshold: 30 });
  });

  test("makeTemplate() limits by the spec and sets aside what the Revision says", () => {
    const resources = { cpuMilli: 1_500, memoryBytes: 64 << 20 };
    expect(containerOf(spec({ resources }), { requests: { cpu: "100m" } })?.resources).toEqual({
      limits: { cpu: "1500m", memory: "64Mi" },
      requests: { cpu: "100m" },
    });
    expect(containerOf(spec({ resources: { cpuMilli: 2_000 } }))?.resources).toEqual({ limits: { cpu: "2" } });
  });

  test.each([
    [
      "nobody in particular",
      {},
      [
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
      ],
      undefined,
    ],
    ["a user that isn't root", { runAsUser: 1_000 }, undefined, true],
    [
      "anybody but root, with what it asks for",
      { runAsNonRoot: true, addCapabilities: ["CAP_NET_BIND_SERVICE"] },
      ["NET_BIND_SERVICE"],
      true,
    ],
    [
      "root without capabilities",
      { runAsUser: 0, dropCapabilities: ["all"], addCapabilities: ["CHOWN"] },
      ["CHOWN"],
      undefined,
    ],
  ])("makeSecurityContext() of %s", (_, more, add, runAsNonRoot) => {
    const context = makeSecurityContext({ ...spec().security, ...more });
    expect(context.capabilities).toEqual({ drop: ["ALL"], ...(add === undefined ? {} : { add }) });
    expect(context.runAsNonRoot).toBe(runAsNonRoot);
    expect(context.allowPrivilegeEscalation).toBe(false);
  });
});

describe("makeValueSecrets", () => {
  const files = {
    type: "files" as const,
    files: [{ path: "a/b", data: Buffer.from("x").toString("base64"), mode: 0o400 }],
  };
  const mount = { mountPath: "/m", readOnly: true, volume: "v", source: files };

  test("makeValueSecrets() holds every value that isn't the platform's own, and the template names where", () => {
    const made = spec({
      env: [
        { name: "PORT", value: "8080" },
        { name: "PASSWORD", value: "s3cret$(A)" },
      ],
      mounts: [
        mount,
        { ...mount, mountPath: "/n", subPath: "a" },
        {
          mountPath: "/t",
          readOnly: false,
          volume: "t",
          source: { type: "emptyDir", medium: "Memory", sizeLimitBytes: 7 },
        },
      ],
    });
    const { secrets } = makeValueSecrets(key, made, revision.owner);
    const [secret] = secrets;
    expect(secrets).toHaveLength(1);
    expect(secret).toMatchObject({ immutable: true, metadata: { namespace: "n", ownerReferences: [revision.owner] } });
    expect(decoded(secret?.data)).toEqual({ v0: "s3cret$(A)", v1: "x" });
    const name = secret?.metadata.name ?? "";
    expect(name).toMatch(/^hello-00001-[0-9a-f]{10}-0$/u);
    const { spec: pod } = template(made);
    expect(pod.containers[0]?.env).toEqual([
      { name: "PORT", value: "8080" },
      { name: "PASSWORD", valueFrom: { secretKeyRef: { name, key: "v0" } } },
    ]);
    expect(JSON.stringify(pod)).not.toContain("s3cret");
    expect(pod.volumes).toEqual([
      { name: "v", projected: { sources: [{ secret: { name, items: [{ key: "v1", path: "a/b", mode: 0o400 }] } }] } },
      { name: "t", emptyDir: { medium: "Memory", sizeLimit: "7" } },
    ]);
    expect(pod.containers[0]?.volumeMounts).toEqual([
      { name: "v", mountPath: "/m", readOnly: true },
      { name: "v", mountPath: "/n", readOnly: true, subPath: "a" },
      { name: "t", mountPath: "/t" },
    ]);
  });

  test("makeValueSecrets() names a changed value's Secret anew, and the same values' the same", () => {
    const named = (value: string) =>
      makeValueSecrets(key, spec({ env: [{ name: "A", value }] }), revision.owner).secrets[0]?.metadata.name;
    expect(named("x")).toBe(named("x"));
    expect(named("x")).not.toBe(named("y"));
  });

  test("makeValueSecrets() keeps each Secret below Kubernetes' limit", () => {
    const data = Buffer.alloc(600_000).toString("base64");
    const source = { type: "files" as const, files: ["a", "b", "c"].map((path) => ({ path, data, mode: 0o444 })) };
    const made = spec({ mounts: [{ ...mount, source }] });
    const { secrets } = makeValueSecrets(key, made, revision.owner);
    expect(secrets).toHaveLength(3);
    expect(template(made).spec.volumes?.[0]?.projected?.sources).toHaveLength(3);
  });

  test("makePullSecret() is a docker configuration, and the template names it", () => {
    const auth = { registry: "r.example", username: "u", password: "p:q" };
    const secret = makePullSecret(key, [auth, { ...auth, username: "second" }], revision.owner);
    expect(secret).toMatchObject({ type: "kubernetes.io/dockerconfigjson", metadata: { name: "hello-00001-pull" } });
    expect(JSON.parse(decoded(secret?.data)[".dockerconfigjson"] ?? "")).toEqual({
      auths: { "r.example": { auth: Buffer.from("u:p:q").toString("base64") } },
    });
    expect(makePullSecret(key, [], revision.owner)).toBeUndefined();
    expect(template(spec({ pullSecrets: [auth] })).spec.imagePullSecrets).toEqual([{ name: "hello-00001-pull" }]);
  });
});
