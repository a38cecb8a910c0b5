/**
 * Objects that aren't valid, one of every kind with several faults each: refused by the API, by kubectl and by the CLI with all faults in one
 * answer, and nothing of them stored. And what a platform with `--verbose-errors` adds to the gateway's answers.
 */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  command,
  coreApi,
  elafrosApi,
  hostOf,
  makeService,
  patch,
  problemSentence,
  read,
} from "../support/failures.ts";
import { imageCache, makeImages, type SampleImage } from "../support/images.ts";
import { eventually, startPlatform, type TestPlatform } from "../support/platform.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

let platform: TestPlatform;
let registry: TestRegistry;
let images: Record<SampleImage, string>;
const rbacApi = "/apis/rbac.authorization.k8s.io/v1";

beforeAll(async () => {
  registry = await startRegistry();
  images = await makeImages(registry);
  process.env["CONTAINERS_STORAGE_CONF"] = (await imageCache()).storageConf;
  platform = await startPlatform(["--verbose-errors"]);
});

afterAll(async () => {
  await platform?.purge();
  await registry?.close();
});

const hasKubectl = kubectlMinor() >= 26;
// oxlint-disable-next-line no-console -- who runs the tests should know why these don't
if (!hasKubectl) console.warn("Skipping kubectl's part: kubectl 1.26 or newer is not on PATH");

function kubectlMinor(): number {
  const { stdout } = spawnSync("kubectl", ["version", "--client", "-o", "json"], { encoding: "utf8" });
  try {
    return Number.parseInt((JSON.parse(stdout) as { clientVersion: { minor: string } }).clientVersion.minor, 10);
  } catch {
    return 0;
  }
}

interface Case {
  kind: string;
  collection: string;
  object: Record<string, unknown> & { metadata: { name: string; [field: string]: unknown } };
  /** The fields at fault, sorted. */
  fields: string[];
}

const elafros = "elafros.dev/v1alpha1";
const rbac = "rbac.authorization.k8s.io/v1";
const container = { image: "registry.example/app:1" };

const cases: Case[] = [
  {
    kind: "Configuration",
    collection: `${elafrosApi}/configurations`,
    object: {
      apiVersion: elafros,
      metadata: { name: "bad-configuration" },
      spec: {
        revisionTemplate: {
          spec: {
            container: {
              image: "Not An Image",
              env: [{ name: "A", value: "1", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }],
              ports: [{ containerPort: 99_999 }],
              resources: { limits: { memory: "much" } },
              volumeMounts: [{ name: "nowhere", mountPath: "relative" }],
            },
            concurrencyModel: "SingleThreaded",
            containerConcurrency: 7,
            timeoutSeconds: 0,
          },
        },
      },
    },
    fields: [
      "spec.revisionTemplate.spec.container.env[0].valueFrom",
      "spec.revisionTemplate.spec.container.image",
      "spec.revisionTemplate.spec.container.ports[0].containerPort",
      "spec.revisionTemplate.spec.container.resources.limits[memory]",
      "spec.revisionTemplate.spec.container.volumeMounts[0].mountPath",
      "spec.revisionTemplate.spec.container.volumeMounts[0].name",
      "spec.revisionTemplate.spec.containerConcurrency",
      "spec.revisionTemplate.spec.timeoutSeconds",
    ],
  },
  {
    kind: "Configuration",
    collection: `${elafrosApi}/configurations`,
    object: {
      apiVersion: elafros,
      metadata: { name: "unbuilt" },
      spec: {
        build: {
          source: { git: { url: "https://example.com/a.git" } },
          template: {},
          steps: [{ image: "a", tty: true }],
        },
        revisionTemplate: { spec: { container: { ...container, lifecycle: {}, tty: true } } },
      },
    },
    fields: [
      "spec.build.source.git",
      "spec.build.steps",
      "spec.build.steps[0].tty",
      "spec.build.template.name",
      "spec.revisionTemplate.spec.container.lifecycle",
      "spec.revisionTemplate.spec.container.tty",
    ],
  },
  {
    kind: "Route",
    collection: `${elafrosApi}/routes`,
    object: {
      apiVersion: elafros,
      metadata: { name: "bad-route" },
      spec: {
        rollout: {
          traffic: [
            { configurationName: "a", revisionName: "b", percent: 50 },
            { percent: 20 },
            { revisionName: "c", percent: 101, name: "Not A Label" },
          ],
        },
      },
    },
    fields: [
      "spec.rollout.traffic",
      "spec.rollout.traffic[0]",
      "spec.rollout.traffic[1]",
      "spec.rollout.traffic[2].name",
      "spec.rollout.traffic[2].percent",
    ],
  },
  {
    kind: "Secret",
    collection: `${coreApi}/secrets`,
    object: {
      apiVersion: "v1",
      metadata: { name: "bad-secret" },
      type: "kubernetes.io/tls",
      data: { "not a key": "YQ==" },
    },
    fields: ["data[not a key]", "data[tls.crt]", "data[tls.key]"],
  },
  {
    kind: "ConfigMap",
    collection: `${coreApi}/configmaps`,
    object: {
      apiVersion: "v1",
      metadata: { name: "bad-map", labels: { "-": "x" } },
      data: { "a b": "1", twice: "1" },
      binaryData: { twice: "YQ==" },
    },
    fields: ["binaryData[twice]", "data[a b]", "metadata.labels"],
  },
  {
    kind: "ServiceAccount",
    collection: `${coreApi}/serviceaccounts`,
    object: { apiVersion: "v1", metadata: { name: "Bad_Account" }, imagePullSecrets: [{ name: "" }] },
    fields: ["imagePullSecrets[0].name", "metadata.name"],
  },
  {
    kind: "Namespace",
    collection: "/api/v1/namespaces",
    object: { apiVersion: "v1", metadata: { name: "Bad.Namespace", labels: { a: "not a value" } } },
    fields: ["metadata.labels", "metadata.name"],
  },
  {
    kind: "Event",
    collection: `${coreApi}/events`,
    object: {
      apiVersion: "v1",
      metadata: { name: "bad-event" },
      involvedObject: { kind: "Route", name: "a", namespace: "other" },
      count: -1,
    },
    fields: ["count", "involvedObject.namespace"],
  },
  {
    kind: "Role",
    collection: `${rbacApi}/namespaces/default/roles`,
    object: {
      apiVersion: rbac,
      metadata: { name: "bad-role" },
      rules: [
        { verbs: [], apiGroups: [""], resources: ["pods"] },
        { verbs: ["get"], nonResourceURLs: ["/x"] },
      ],
    },
    fields: ["rules[0].verbs", "rules[1].nonResourceURLs"],
  },
  {
    kind: "ClusterRole",
    collection: `${rbacApi}/clusterroles`,
    object: { apiVersion: rbac, metadata: { name: "bad-cluster-role" }, rules: [{ verbs: ["get"] }] },
    fields: ["rules[0].apiGroups", "rules[0].resources"],
  },
  {
    kind: "RoleBinding",
    collection: `${rbacApi}/namespaces/default/rolebindings`,
    object: {
      apiVersion: rbac,
      metadata: { name: "bad-binding" },
      roleRef: { apiGroup: "other", kind: "Role", name: "edit" },
      subjects: [{ kind: "ServiceAccount", name: "app" }],
    },
    fields: ["roleRef.apiGroup", "subjects[0].namespace"],
  },
  {
    kind: "ClusterRoleBinding",
    collection: `${rbacApi}/clusterrolebindings`,
    object: {
      apiVersion: rbac,
      metadata: { name: "bad-cluster-binding" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "edit" },
      subjects: [{ kind: "User", name: "ann", apiGroup: "other" }],
    },
    fields: ["roleRef.kind", "subjects[0].apiGroup"],
  },
];

interface StatusAnswer {
  kind: string;
  status: string;
  reason: string;
  code: number;
  message: string;
  details: { name: string; kind: string; causes: { reason: string; message: string; field: string }[] };
}

describe.each(cases)("$kind $object.metadata.name with $fields.length faults", (example) => {
  const { kind, collection, fields } = example;
  const object = { kind, ...example.object };
  const { name } = object.metadata;

  test("is refused by the API with one cause for each, and not stored", async () => {
    const answer = await platform.call("POST", collection, JSON.stringify(object));
    expect(answer.status, answer.text).toBe(422);
    const status = JSON.parse(answer.text) as StatusAnswer;
    expect(status).toMatchObject({ kind: "Status", status: "Failure", reason: "Invalid", code: 422 });
    expect(status.details.causes.map(({ field }) => field).toSorted()).toEqual(fields);
    for (const cause of status.details.causes) {
      expect(cause.message).not.toBe("");
      expect(status.message).toContain(cause.field);
    }
    const list = (await platform.json("GET", collection)) as { items: { metadata: { name: string } }[] };
    expect(list.items.map(({ metadata }) => metadata.name)).not.toContain(name);
  });

  test.skipIf(!hasKubectl)("is refused by kubectl, which shows them all", async () => {
    const result = await platform.kubectl(["create", "-f", "-"], JSON.stringify(object));
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`"${name}" is invalid`);
    for (const field of fields) expect(result.stderr).toContain(field);
  });
});

test("a Revision can't be made or changed by a user", async () => {
  const object = { apiVersion: elafros, kind: "Revision", metadata: { name: "own" }, spec: { container } };
  const made = await platform.call("POST", `${elafrosApi}/revisions`, JSON.stringify(object));
  expect(made.status).toBe(403);
  expect((JSON.parse(made.text) as StatusAnswer).message).toMatch(/change the Configuration/i);
  await makeService(platform, "kept", { container: { ...container, imagePullPolicy: "Never" } });
  await expect.poll(async () => (await platform.call("GET", `${elafrosApi}/revisions/kept-00001`)).status).toBe(200);
  const changed = await patch(platform, `${elafrosApi}/revisions/kept-00001`, { spec: { timeoutSeconds: 5 } });
  expect(changed.status).toBe(422);
  expect((JSON.parse(changed.text) as StatusAnswer).details.causes.map(({ field }) => field)).toEqual(["spec"]);
});

test("a change that would make an object invalid is refused whole", async () => {
  await makeService(platform, "stays", { container: { ...container, imagePullPolicy: "Never" } });
  const before = await read(platform, "routes/stays");
  const traffic = [{ configurationName: "stays", percent: 70 }];
  const changed = await patch(platform, `${elafrosApi}/routes/stays`, {
    metadata: { labels: { fine: "yes" } },
    spec: { rollout: { traffic } },
  });
  expect(changed.status).toBe(422);
  const { message, details } = JSON.parse(changed.text) as StatusAnswer;
  expect(details.causes.map(({ field }) => field)).toEqual(["spec.rollout.traffic"]);
  expect(message).toContain("70");
  const after = await read(platform, "routes/stays");
  expect(after.metadata).not.toHaveProperty("labels");
  expect(after).toHaveProperty("spec", (before as unknown as { spec: object }).spec);
});

test("what isn't even an object of that kind is refused in a sentence", async () => {
  for (const [body, type, code] of [
    ["{", "application/json", 400],
    ["a: [", "application/yaml", 400],
    ["<xml/>", "application/xml", 415],
    [JSON.stringify({ apiVersion: elafros, kind: "Rout", metadata: { name: "x" } }), "application/json", 422],
  ] as const) {
    const answer = await platform.call("POST", `${elafrosApi}/routes`, body, { "content-type": type });
    expect(answer.status, answer.text).toBe(code);
    const status = JSON.parse(answer.text) as StatusAnswer;
    expect(status.kind).toBe("Status");
    expect(status.message.length).toBeGreaterThan(10);
  }
});

test("deploy shows every fault, and exits with 1", async () => {
  const flags = ["--memory", "64Mi", "--pull-secret", "Bad_Secret", "--service-account", "Bad_Account"];
  const result = await command(platform, "deploy", "--service", "faulty", "--image", "Not An Image", ...flags);
  expect(result.code, result.stderr).toBe(1);
  for (const field of ["container.image", "imagePullSecrets[0].name", "serviceAccountName"]) {
    expect(result.stderr).toContain(field);
  }
  for (const what of ["configurations", "routes"]) {
    expect((await platform.call("GET", `${elafrosApi}/${what}/faulty`)).status).toBe(404);
  }
});

test("up --verbose-errors adds the condition's message to answers", async () => {
  await makeService(platform, "told", { container: { image: images["app:exits"] } });
  const message = "Container failed with: Cannot start: DATABASE_URL is not set";
  const answer = await eventually("the condition is known", async () => {
    const got = await platform.ask(hostOf("told"));
    return got.text.includes(message) && got;
  });
  expect([answer.status, answer.headers["elafros-reason"]]).toEqual([503, "ExitCode1"]);
  const id = String(answer.headers["x-request-id"]);
  expect(answer.text).toBe(`${problemSentence}\n${message}\nreason: ExitCode1\nrequest: ${id}\n`);
  const json = await platform.ask(hostOf("told"), "/", { headers: { accept: "application/json" } });
  expect(JSON.parse(json.text)).toMatchObject({ status: 503, reason: "ExitCode1", detail: message });
  const again = await platform.up();
  expect(again.code).toBe(0);
  expect(again.stdout).toContain("already runs on");
});
