/** The recorded scenarios: what was asked for, what became of the containers, and what is known to differ. */
import type { Fate } from "../../support/cluster/controllers/fate.ts";
import type { PodObject } from "../../support/cluster/controllers/types.ts";
import type { Allowed } from "./unexpected.ts";

export interface Step {
  verb: "create" | "patch" | "delete";
  kind: string;
  name?: string;
  body?: object;
  policy?: "Background" | "Foreground" | "Orphan";
  /** The next step comes when the story tells this, */
  until?: RegExp;
  /** and so many Pods are ready. */
  ready?: number;
}

interface Scenario {
  /** Also the namespace's, and the recording's. */
  name: string;
  steps: readonly Step[];
  /** Default: runs and becomes ready. */
  fate?: (pod: PodObject) => Fate;
  /** Lines of the story (`about: line`) that only one of the two tells, and why. */
  differences?: Allowed;
}

interface Wish {
  replicas?: number;
  image?: string;
  container?: object;
  spec?: object;
}

const labels = { app: "app" };
const hello = "registry.example/hello:1";
const container = (wish: object): object => ({ name: "user-container", ...wish });

function deploy({ replicas = 1, image = hello, container: more = {}, spec = {} }: Wish = {}): Step {
  const containers = [container({ image, ports: [{ containerPort: 8080 }], ...more })];
  const template = { metadata: { labels }, spec: { containers } };
  return {
    verb: "create",
    kind: "Deployment",
    body: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "app", labels },
      spec: { replicas, selector: { matchLabels: labels }, template, ...spec },
    },
  };
}

const service: Step = {
  verb: "create",
  kind: "Service",
  body: {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "app" },
    spec: { selector: labels, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
  },
};

const change = (spec: object): Step => ({ verb: "patch", kind: "Deployment", name: "app", body: { spec } });
const changeContainer = (wish: object): Step => change({ template: { spec: { containers: [container(wish)] } } });
const remove = (policy: NonNullable<Step["policy"]>): Step => ({
  verb: "delete",
  kind: "Deployment",
  name: "app",
  policy,
});

const rolledOut = /has successfully progressed/;

export const scenarios: readonly Scenario[] = [
  {
    name: "good-start-scale",
    steps: [
      service,
      { ...deploy(), until: rolledOut },
      { ...change({ replicas: 3 }), ready: 3 },
      change({ replicas: 0 }),
    ],
  },
  {
    name: "rolling-update",
    steps: [
      service,
      { ...deploy({ replicas: 2, container: { env: [{ name: "TARGET", value: "one" }] } }), until: rolledOut },
      changeContainer({ env: [{ name: "TARGET", value: "two" }] }),
    ],
  },
  {
    name: "image-missing",
    steps: [
      service,
      { ...deploy({ image: "registry.example/missing:1" }), until: /ImagePullBackOff/ },
      changeContainer({ image: hello }),
    ],
    fate: ({ spec }) =>
      spec.containers[0]?.image === hello
        ? { kind: "runs", startMs: 50, readyMs: 50, stopMs: 50 }
        : { kind: "no image", startMs: 20 },
  },
  {
    name: "bad-command",
    steps: [deploy({ container: { command: ["/does-not-exist"] } })],
    fate: () => ({
      kind: "no start",
      startMs: 50,
      message:
        'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/does-not-exist": stat /does-not-exist: no such file or directory: unknown',
    }),
  },
  {
    name: "exit-127",
    steps: [service, deploy({ image: "registry.example/busybox:1" })],
    fate: () => ({
      kind: "exits",
      startMs: 50,
      exitCode: 127,
      reason: "Error",
      message: "starting\napp: cannot find its configuration\n",
    }),
  },
  {
    name: "never-ready",
    steps: [
      service,
      deploy({
        container: { readinessProbe: { httpGet: { path: "/", port: 9 } } },
        // Counted from whole seconds, and on a busy machine its Pods take their time.
        spec: { progressDeadlineSeconds: 5 },
      }),
    ],
    fate: () => ({ kind: "runs", startMs: 50, readyMs: undefined, stopMs: 50 }),
  },
  {
    name: "oom-killed",
    steps: [deploy({ image: "registry.example/busybox:1" })],
    fate: () => ({ kind: "exits", startMs: 50, exitCode: 137, reason: "OOMKilled" }),
  },
  {
    name: "unschedulable",
    steps: [
      {
        ...deploy({ container: { resources: { requests: { cpu: "1000" } } } }),
        until: /(?=.*FailedScheduling)(?=.*ReplicaSetUpdated)/,
      },
      changeContainer({ resources: { requests: { cpu: "10m" } } }),
    ],
  },
  {
    name: "quota-exceeded",
    steps: [
      {
        verb: "create",
        kind: "ResourceQuota",
        body: { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "one" }, spec: { hard: { pods: "1" } } },
      },
      { ...deploy({ replicas: 2 }), until: /ReplicaSetUpdated/, ready: 1 },
      change({ replicas: 1 }),
    ],
    differences: {
      'warnings: FailedCreate: Error creating: pods "POD" is forbidden: exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1':
        "Events of ReplicaSets weren't kept of the recording",
    },
  },
  { name: "delete-orphan", steps: [service, { ...deploy(), until: rolledOut }, remove("Orphan")] },
  { name: "delete-background", steps: [service, { ...deploy(), until: rolledOut }, remove("Background")] },
  { name: "delete-foreground", steps: [service, { ...deploy(), until: rolledOut }, remove("Foreground")] },
];
