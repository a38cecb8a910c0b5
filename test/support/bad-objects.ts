/**
 * Objects that the embedded API server refuses, one fault each, to compare with what a cluster says of them. The truth is what the kinds'
 * own validation says; `unheld` names why a cluster's API server accepts the object nevertheless.
 */
import { BuildTemplate } from "../../src/api/build-template.ts";
import { Build } from "../../src/api/build.ts";
import { Configuration } from "../../src/api/configuration.ts";
import type { Kind } from "../../src/api/meta/kind.ts";
import { apiVersionOf } from "../../src/api/meta/kind.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import { Revision } from "../../src/api/revision.ts";
import { Route } from "../../src/api/route.ts";

export interface BadObject {
  title: string;
  kind: Kind;
  object: KubeObject;
  /** The object before, where an update is refused. */
  old?: KubeObject;
  /** Why only the controllers can say it. */
  unheld?: string;
}

function objectOf(kind: Kind, spec: unknown, name = "bad"): KubeObject {
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    metadata: { name, namespace: "default" },
    spec,
  } as KubeObject;
}

type Row = [title: string, spec: unknown, unheld?: string];

function rows(kind: Kind, of: (spec: never) => unknown, table: readonly Row[]): BadObject[] {
  return table.map(([title, spec, unheld]) => ({
    title: `${kind.kind}: ${title}`,
    kind,
    object: objectOf(kind, of(spec as never)),
    ...(unheld === undefined ? {} : { unheld }),
  }));
}

const nul = "\u0000";
const following = { configurationName: "app", percent: 100 };
const pinned = (revisionName: string, percent: number, name?: string) =>
  name === undefined ? { revisionName, percent } : { revisionName, percent, name };

const splits: Row[] = [
  ["no traffic", {}],
  ["an empty list of targets", { traffic: [] }],
  ["33 targets", { traffic: Array.from({ length: 33 }, (_, i) => pinned("a", i === 0 ? 100 : 0)) }],
  ["both names", { traffic: [{ ...following, revisionName: "b" }] }],
  ["neither name", { traffic: [{ percent: 100 }] }],
  ["an empty name and none", { traffic: [{ configurationName: "", percent: 100 }] }],
  ["no percent", { traffic: [{ configurationName: "a" }] }],
  ["a percent that is a string", { traffic: [{ configurationName: "a", percent: "100" }] }],
  ["a negative percent", { traffic: [following, pinned("b", 1), pinned("c", -1)] }],
  ["a sum below 100", { traffic: [pinned("a", 60), pinned("b", 30)] }],
  [
    "a sum above 100 in the last target",
    { traffic: [...Array.from({ length: 31 }, () => pinned("a", 3)), pinned("b", 8)] },
  ],
  ["one name for two Revisions", { traffic: [pinned("a", 50, "next"), pinned("b", 50, "next")] }],
  [
    "one name for a Revision and a Configuration",
    { traffic: [pinned("a", 50, "next"), { configurationName: "a", percent: 50, name: "next" }] },
  ],
  ["a name that is too long", { traffic: [{ ...following, name: "a".repeat(31) }] }],
  ["a name that is no DNS label", { traffic: [{ ...following, name: "UP" }] }],
  ["a name that ends with a dash", { traffic: [{ ...following, name: "a-" }] }],
  ["a Configuration's name that begins with a digit", { traffic: [{ configurationName: "1a", percent: 100 }] }],
  ["a Configuration's name that is too long", { traffic: [{ configurationName: "a".repeat(51), percent: 100 }] }],
  ["a Revision's name that is none", { traffic: [pinned("a_b", 100)] }],
  ["a duration without a unit", { traffic: [following], duration: "4" }],
  ["a negative duration", { traffic: [following], duration: "-4s" }],
  ["a duration of a year", { traffic: [following], duration: "8760h" }],
];

const tests: Row[] = [
  ["a match of nothing", [{}]],
  ["an empty match", []],
  ["a match of both", [{ header: { name: "a", exact: "b" }, cookie: { name: "a", exact: "b" } }]],
  ["a match of a header without a value", [{ header: { name: "a" } }]],
  ["a match of a header by both", [{ header: { name: "a", exact: "b", prefix: "b" } }]],
  ["a header's name that is none", [{ header: { name: "a b", exact: "c" } }]],
  ["a cookie's name that is none", [{ cookie: { name: "a=b", exact: "c" } }]],
  ...["Host", "X-Forwarded-For", "X_Real_IP", "Connection", "K-Anything", "elafros-reason", "Content-Length"].map(
    (name): Row => [`a match of ${name}`, [{ header: { name, exact: "b" } }]],
  ),
  ["a header's value with space before", [{ header: { name: "a", exact: " b" } }]],
  ["a header's prefix that isn't ASCII", [{ header: { name: "a", prefix: "ä" } }]],
  ["a cookie's value with a semicolon", [{ cookie: { name: "a", exact: "b;c" } }]],
];

const rules: Row[] = [
  ["affinity to nothing", { affinity: {} }],
  ["affinity to both", { affinity: { header: { name: "a" }, cookie: { name: "a" } } }],
  ["affinity to a cookie without a name", { affinity: { cookie: {} } }],
  ["affinity to a cookie for HTTPS only", { affinity: { cookie: { name: "__Host-id" } } }],
  ["affinity for no duration", { affinity: { cookie: { name: "id", ttl: "1 day" } } }],
  ["affinity for too long", { affinity: { cookie: { name: "id", ttl: "10000h" } } }],
  ["affinity for less than a second", { affinity: { cookie: { name: "id", ttl: "500ms" } } }],
  ["affinity to a header of the gateway", { affinity: { header: { name: "X-Real-IP" } } }],
  ["a guard of nothing", { guard: {} }],
  ["a guard of 100 percent", { guard: { errorPercent: 100 } }],
  ["a guard with no duration", { guard: { errorPercent: 1, window: "soon" } }],
  ["a guard for no time", { guard: { errorPercent: 1, window: "0s" } }],
  ["a guard for two hours", { guard: { errorPercent: 1, window: "2h" } }],
];

const domains = [
  "localhost",
  "*.com",
  "www.*.com",
  "*",
  "WWW.example.com",
  "192.0.2.7",
  "2001:db8::1",
  "www.example.com:443",
  "www.example.com.",
  "www..example.com",
  "",
  `${"a".repeat(64)}.example.com`,
  "bücher.example",
];
const hosts: Row[] = [
  ...domains.map((domain): Row => [`the domain ${JSON.stringify(domain)}`, { domains: [domain] }]),
  ["a domain twice", { domains: ["a.org", "a.org"] }],
  ["a Secret without a name", { tls: [{ secretName: "", hosts: ["a.org"] }] }],
  ["a Secret without hosts", { tls: [{ secretName: "a", hosts: [] }] }],
  ["a Secret's name that is none", { tls: [{ secretName: "A", hosts: ["a.org"] }] }],
  ["a Secret's host twice", { tls: [{ secretName: "a", hosts: ["a.org", "a.org"] }] }],
  [
    "a host with two Secrets",
    {
      tls: [
        { secretName: "a", hosts: ["a.org"] },
        { secretName: "b", hosts: ["a.org"] },
      ],
    },
    "comparing all hosts of all entries costs more than a rule may",
  ],
];

const rollout = (spec: object) => ({ rollout: spec });
const routes = [
  ...rows(Route, rollout, splits),
  ...rows(Route, (match: unknown) => rollout({ traffic: [{ ...following, match }] }), tests),
  ...rows(Route, (spec: object) => rollout({ traffic: [following], ...spec }), rules),
  ...rows(Route, (spec: object) => ({ rollout: { traffic: [following] }, ...spec }), hosts),
  ...rows(Route, (spec: unknown) => spec, [["no rollout", {}]]),
];

const header = (name: string, value: string) => ({ livenessProbe: { httpGet: { httpHeaders: [{ name, value }] } } });
const env = (...variables: object[]) => ({ env: variables });
const containers: Row[] = [
  ["an image that is no reference", { image: "Registry/App:1 " }],
  ["an image with a digest that is too short", { image: "app@sha256:abc" }],
  ["an empty image", { image: "" }],
  ["a name", { name: "c" }],
  ["hooks", { lifecycle: { preStop: {} } }],
  ["a terminal", { tty: true }],
  ["devices", { volumeDevices: [{ name: "a", devicePath: "/dev/a" }] }],
  ["a port of the host", { ports: [{ containerPort: 1, hostPort: 2 }] }],
  ["a variable that the platform sets", env({ name: "PORT", value: "1" })],
  ["a variable's name that is none", env({ name: "1A" })],
  ["a variable twice", env({ name: "A" }, { name: "A" })],
  ["a variable with a NUL", env({ name: "A", value: nul })],
  ["value and valueFrom", env({ name: "A", value: "1", valueFrom: { secretKeyRef: { name: "s", key: "k" } } })],
  ["a valueFrom of nothing", env({ name: "B", valueFrom: {} })],
  [
    "a valueFrom of two things",
    env({ name: "C", valueFrom: { secretKeyRef: { name: "s", key: "k" }, configMapKeyRef: { name: "c", key: "k" } } }),
  ],
  ["a Secret's name that is none", env({ name: "C", valueFrom: { secretKeyRef: { name: "S", key: "k" } } })],
  ["a key that is none", env({ name: "C", valueFrom: { secretKeyRef: { name: "s", key: "a/b" } } })],
  ["a field that isn't offered", env({ name: "E", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } })],
  ["envFrom of nothing", { envFrom: [{}] }],
  ["envFrom of both", { envFrom: [{ secretRef: { name: "s" }, configMapRef: { name: "c" } }] }],
  ["envFrom with a prefix that is none", { envFrom: [{ prefix: "1 ", secretRef: { name: "s" } }] }],
  ["envFrom of a name that is none", { envFrom: [{ configMapRef: { name: "_" } }] }],
  ["two ports", { ports: [{ containerPort: 80 }, { containerPort: 81 }] }],
  ["a port twice", { ports: [{ containerPort: 80 }, { containerPort: 80, name: "h2c" }] }],
  ["a port that is none", { ports: [{ containerPort: 0 }] }],
  ["a protocol that isn't spoken", { ports: [{ containerPort: 1, name: "grpc" }] }],
  ["a resource that isn't offered", { resources: { limits: { "nvidia.com/gpu": "1" } } }],
  ["a quantity that is none", { resources: { limits: { memory: "1 GB" } } }],
  ["a negative quantity", { resources: { requests: { memory: "-1" } } }],
  ["a negative quantity that is a number", { resources: { requests: { memory: -1 } } }],
  ["a limit of nothing", { resources: { limits: { cpu: "0" } } }],
  ["a limit of nothing in millions", { resources: { limits: { memory: "0.0Mi" } } }],
  ["a limit of nothing that is a number", { resources: { limits: { cpu: 0 } } }],
  [
    "a request above its limit",
    { resources: { limits: { cpu: "1" }, requests: { cpu: "2" } } },
    "quantities can't be compared by rules of 1.26",
  ],
  ["a probe of nothing", { readinessProbe: {} }],
  ["a probe of two things", { readinessProbe: { exec: { command: ["true"] }, tcpSocket: {} } }],
  ["a probe of another host", { readinessProbe: { httpGet: { host: "127.0.0.1" } } }],
  ["a probe of an unknown port", { readinessProbe: { httpGet: { port: "web" } } }],
  ["a probe of a port that is none", { startupProbe: { tcpSocket: { port: 65_536 } } }],
  ["a probe of a port that is none, as text", { startupProbe: { tcpSocket: { port: "65536" } } }],
  ["a probe of a relative path", { readinessProbe: { httpGet: { path: "no-slash" } } }],
  ["a liveness probe that must succeed twice", { livenessProbe: { tcpSocket: {}, successThreshold: 2 } }],
  ["a header's name that is none", header("a b", "x")],
  ["a header's value that breaks the line", header("a", "x\r\nEvil: 1")],
  ["a probe's argument with a NUL", { startupProbe: { exec: { command: [nul] } } }],
  ["a relative working directory", { workingDir: "srv" }],
  ["a working directory that climbs", { workingDir: "/a/../b" }],
  ["last words outside of the tree", { terminationMessagePath: "/a/../../etc/shadow" }],
  ["last words in place of the root", { terminationMessagePath: "/" }],
  ["last words in the kernel's files", { terminationMessagePath: "/proc/sysrq-trigger" }],
  ["privileges", { securityContext: { privileged: true } }],
  ["gaining privileges", { securityContext: { allowPrivilegeEscalation: true } }],
  ["root that isn't root", { securityContext: { runAsNonRoot: true, runAsUser: 0 } }],
  ["a capability that isn't given", { securityContext: { capabilities: { add: ["SYS_ADMIN"] } } }],
  ["a capability that is none", { securityContext: { capabilities: { drop: ["all"] } } }],
  ["a command with a NUL", { command: [`a${nul}b`] }],
  ["an argument with a NUL", { args: [nul] }],
];

const mount = (mountPath: string, more: object = {}) => ({ name: "v", mountPath, ...more });
const mounts: Row[] = [
  ["a mount of no volume", [{ name: "w", mountPath: "/a" }]],
  ["a mount at a relative path", [mount("a")]],
  ["a mount at a path that climbs", [mount("/a/../b")]],
  ["a mount at the root", [mount("/")]],
  ["a mount in /proc", [mount("/proc/self")]],
  ["a mount at /dev", [mount("/dev")]],
  ["a mount at one place twice", [mount("/a"), mount("/a")]],
  ["a mount at one place twice, written differently", [mount("/a"), mount("/a/")]],
  ["a mount of a part outside", [mount("/a", { subPath: "../x" })]],
  ["a mount of an absolute part", [mount("/a", { subPath: "/x" })]],
];

const volumes: Row[] = [
  ["a volume of nothing", [{ name: "a" }]],
  ["a volume of two things", [{ name: "b", secret: { secretName: "s" }, configMap: { name: "c" } }]],
  ["a volume of the machine's files", [{ name: "c", hostPath: { path: "/" } }]],
  [
    "a volume twice",
    [
      { name: "c", emptyDir: {} },
      { name: "c", emptyDir: {} },
    ],
  ],
  ["a volume of a medium that isn't offered", [{ name: "c", emptyDir: { medium: "HugePages" } }]],
  ["a volume that holds nothing", [{ name: "c", emptyDir: { sizeLimit: "0" } }]],
  ["a volume of no size", [{ name: "c", emptyDir: { sizeLimit: "big" } }]],
  ["a volume's name that is none", [{ name: "D", emptyDir: {} }]],
  ["a projection of nothing", [{ name: "d", projected: { sources: [{}] } }]],
  [
    "a projection of two things",
    [{ name: "d", projected: { sources: [{ secret: { name: "a" }, configMap: { name: "a" } }] } }],
  ],
  ["a key that is none", [{ name: "e", secret: { secretName: "s", items: [{ key: "a/b", path: "x" }] } }]],
  ["a file outside of the volume", [{ name: "e", secret: { secretName: "s", items: [{ key: "a", path: "../x" }] } }]],
  ["a file's mode that is none", [{ name: "e", secret: { secretName: "s", defaultMode: 4096 } }]],
  ["a ConfigMap's name that is none", [{ name: "e", configMap: { name: "a b" } }]],
];

const container = { image: "registry.example/app:1" };
const specs: Row[] = [
  ["more than one request at once for one thread", { concurrencyModel: "SingleThreaded", containerConcurrency: 2 }],
  ["a model that isn't known", { concurrencyModel: "Multi" }],
  ["too many requests at once", { containerConcurrency: 1001 }],
  ["no time", { timeoutSeconds: 0 }],
  ["a build's name that is none", { buildName: "B_1" }],
  ["a service account's name that is none", { serviceAccountName: "B_1" }],
  ["a Secret twice", { imagePullSecrets: [{ name: "a" }, { name: "a" }] }],
  ["a Secret's name that is none", { imagePullSecrets: [{ name: "A" }] }],
];

/** What a Configuration's template and a Revision refuse alike. */
function ofRevisions(kind: Kind, of: (spec: object) => object): BadObject[] {
  const volume = [{ name: "v", emptyDir: {} }];
  return [
    ...rows(kind, (more: object) => of({ container: { ...container, ...more } }), containers),
    ...rows(kind, (list: unknown) => of({ container: { ...container, volumeMounts: list }, volumes: volume }), mounts),
    ...rows(kind, (list: unknown) => of({ container, volumes: list }), volumes),
    ...rows(kind, (more: object) => of({ container, ...more }), specs),
  ];
}

const templated = (metadata: object) => ({ revisionTemplate: { metadata, spec: { container } } });
const autoscaling = (name: string, value: string) => ({ annotations: { [`autoscaling.elafros.dev/${name}`]: value } });
const templates: Row[] = [
  ["a name of a Revision", { name: "mine" }],
  ["a label of the platform", { labels: { "elafros.dev/configuration": "other" } }],
  ["a label's value that is none", { labels: { a: "b c" } }],
  [
    "a label's key that is none",
    { labels: { "a b": "c" } },
    "what a rule about keys of any length could cost is too much",
  ],
  ["an annotation of the platform", { annotations: { "elafros.dev/creator": "me" } }],
  ["a setting that isn't known", autoscaling("minScale", "1")],
  ...Object.entries({
    "min-scale": "1001",
    "max-scale": "-1",
    "initial-scale": "0",
    metric: "cpu",
    target: "0.001",
    "target-utilization-percentage": "101",
    window: "5s",
    "panic-window-percentage": "0",
    "panic-threshold-percentage": "100",
    "scale-down-delay": "2h",
    "scale-to-zero-retention": "1.5s",
    idle: "sleep",
  }).map(([name, value]): Row => [`${name} ${value}`, autoscaling(name, value)]),
  ["a place that isn't known", { annotations: { "scheduling.elafros.dev/zone": "b" } }],
  ["labels of nodes that are none", { annotations: { "scheduling.elafros.dev/node-selector": "disk" } }],
  [
    "too many labels of nodes",
    { annotations: { "scheduling.elafros.dev/node-selector": `a=b${",a=b".repeat(1024)}` } },
  ],
  ["taints that are none", { annotations: { "scheduling.elafros.dev/tolerations": "spot:Never" } }],
  [
    "a most below its start",
    { annotations: { "autoscaling.elafros.dev/initial-scale": "3", "autoscaling.elafros.dev/max-scale": "2" } },
  ],
  [
    "a most below its least",
    { annotations: { "autoscaling.elafros.dev/min-scale": "3", "autoscaling.elafros.dev/max-scale": "2" } },
  ],
];

const commit = "0123456789abcdef0123456789abcdef01234567";
const git = { url: "https://git.example/app.git", commit };
const template = { name: "nodejs_24" };
const source = (of: object) => ({ source: of, template });
const gitAt = (url: string) => source({ git: { url, branch: "main" } });
const builds: Row[] = [
  ["a template and steps", { template, steps: [{ image: "a" }] }],
  ["neither template nor steps", { source: { git } }],
  ["a template without a name", { template: {} }],
  ["a template's name that is none", { template: { name: "a b" } }],
  ["a template of another sort", { template: { ...template, kind: "ClusterBuildTemplate" } }],
  ["an argument twice", { template: { name: "a", arguments: [{ name: "A" }, { name: "A", value: "b" }] } }],
  ["an argument's name that is none", { template: { name: "a", arguments: [{ name: "1" }] } }],
  ["an argument with a NUL", { template: { name: "a", arguments: [{ name: "A", value: nul }] } }],
  [
    "a template of another namespace",
    { template: { ...template, namespace: "other" } },
    "rules see no namespace: metadata's name is all",
  ],
  [
    "a step's name twice",
    {
      steps: [
        { name: "a", image: "a" },
        { name: "a", image: "b" },
      ],
    },
  ],
  [
    "a step's name that another gets by its place",
    { steps: [{ name: "step-2", image: "a" }, { image: "b" }] },
    "rules of 1.26 don't know the place of an element",
  ],
  ["a step's name that is the platform's", { steps: [{ name: "source", image: "a" }] }],
  ["a step's name that is none", { steps: [{ name: "A", image: "a" }] }],
  ["a step's image that is none", { steps: [{ image: "Not An Image" }] }],
  ["a step's port", { steps: [{ image: "a", ports: [{ containerPort: 1 }] }] }],
  ["a step's mount of no volume", { steps: [{ image: "a", volumeMounts: [{ name: "gone", mountPath: "/a" }] }] }],
  [
    "a step's mount in the workspace",
    { steps: [{ image: "a", volumeMounts: [mount("/workspace/b")] }], volumes: [{ name: "v", emptyDir: {} }] },
  ],
  [
    "a volume's name twice",
    {
      template,
      volumes: [
        { name: "v", emptyDir: {} },
        { name: "v", emptyDir: {} },
      ],
    },
  ],
  ["a source of nothing", source({})],
  ["two sources", source({ git, gcs: { location: "gs://b/a.zip" } })],
  ["a git source without url", source({ git: { commit } })],
  ["a git source that doesn't say what to take", source({ git: { url: git.url, branch: "" } })],
  ["a branch and a tag", source({ git: { url: git.url, branch: "main", tag: "v1" } })],
  ...[
    "--upload-pack=touch /tmp/x",
    "-oProxyCommand=x:a",
    "ext::sh -c id",
    "https://-x/a",
    "ssh://-oProxyCommand=x/a",
    "file://host/a",
    "file:///",
    "ftp://git.example/a",
    "/srv/git/a",
    "https://git.example/a b",
    "git@git.example:a\n",
    "https://alice:secret@git.example/a.git",
    "nothing",
  ].map((url): Row => [`a repository at ${JSON.stringify(url)}`, gitAt(url)]),
  ...["--force", "a..b", "a b", "a~1", "a:b", "/a", "a/", "a.lock", "@", "a@{1}", ".a", "a/.b", `a${nul}`].map(
    (branch): Row => [`the branch ${JSON.stringify(branch)}`, source({ git: { url: git.url, branch } })],
  ),
  ...["a6f92d1", commit.toUpperCase(), `${commit}0`].map((short): Row => [
    `the commit ${short}`,
    source({ git: { url: git.url, commit: short } }),
  ]),
  ["a gcs source without location", source({ gcs: {} })],
  ["a gcs source of another sort", source({ gcs: { location: "gs://b/a.zip", type: "zip" } })],
  ...[
    "http://files.example/a.zip",
    "upload:sha256:abc",
    "file:///etc/passwd",
    "https://a:b@files.example/a.zip",
    "https:files.example",
  ].map((location): Row => [`an archive at ${location}`, source({ gcs: { location } })]),
  ["a custom source with a name", source({ custom: { name: "mine", image: "a" } })],
  ["a timeout that is none", { template, timeout: "soon" }],
  ["no time at all", { template, timeout: "0s" }],
  ["more than a day", { template, timeout: "24h1s" }],
];

const buildTemplates: Row[] = [
  ["no steps", { steps: [] }],
  ["a parameter twice", { steps: [{ image: "a" }], parameters: [{ name: "A" }, { name: "A" }] }],
  ["a parameter's name that is none", { steps: [{ image: "a" }], parameters: [{ name: "1" }] }],
  ["a step's image that is none", { steps: [{ image: "Not One" }] }],
  ["a mount of no volume", { steps: [{ image: "a", volumeMounts: [{ name: "v", mountPath: "/a" }] }] }],
  ["something that isn't offered", { steps: [{ image: "a" }], generate: { a: 1 } }],
];

const inlineBuild = (image: string, build: object) => ({ build, revisionTemplate: { spec: { container: { image } } } });
const promises: Row[] = [
  ["a promise with a digest", inlineBuild(`app@sha256:${"ab".repeat(32)}`, { template })],
  [
    "a promise of another image",
    inlineBuild("app:1", { template: { ...template, arguments: [{ name: "_IMAGE", value: "app:2" }] } }),
  ],
  ["a build that is cancelled", inlineBuild("app:1", { template, status: "BuildCancelled" })],
];

const revision = objectOf(Revision, { container });
const build = objectOf(Build, { source: { git }, template, timeout: "10m" });
const cancelled = objectOf(Build, { source: { git }, template, timeout: "10m", status: "BuildCancelled" });
const updates: BadObject[] = [
  ["Revision: another image", Revision, revision, { container: { image: "other" } }],
  ["Revision: a variable more", Revision, revision, { container: { ...container, env: [{ name: "A", value: "1" }] } }],
  ["Build: another timeout", Build, build, { source: { git }, template, timeout: "5m" }],
  [
    "Build: volumes later",
    Build,
    build,
    { source: { git }, template, timeout: "10m", volumes: [{ name: "v", emptyDir: {} }] },
  ],
  ["Build: cancelled no more", Build, cancelled, { source: { git }, template, timeout: "10m" }],
].map(([title, kind, old, spec]) => ({
  title: title as string,
  kind: kind as Kind,
  object: objectOf(kind as Kind, spec),
  old: old as KubeObject,
}));

const names: BadObject[] = [
  ["Route", Route, { rollout: { traffic: [following] } }, "a".repeat(51)],
  ["Route", Route, { rollout: { traffic: [following] } }, "1a"],
  ["Configuration", Configuration, { revisionTemplate: { spec: { container } } }, "a.b"],
  ["Build", Build, { template }, "a".repeat(64)],
].map(([title, kind, spec, name]) => ({
  title: `${title as string}: the name ${name as string}`,
  kind: kind as Kind,
  object: objectOf(kind as Kind, spec, name as string),
}));

/** Every bad object. */
export const badObjects: readonly BadObject[] = [
  ...routes,
  ...ofRevisions(Configuration, (spec) => ({ revisionTemplate: { spec } })),
  ...ofRevisions(Revision, (spec) => spec),
  ...rows(Configuration, templated, templates),
  ...rows(Configuration, (spec: unknown) => spec, promises),
  ...rows(Configuration, (spec: object) => inlineBuild("app:1", spec), builds),
  ...rows(Build, (spec: unknown) => spec, builds),
  ...rows(BuildTemplate, (spec: unknown) => spec, buildTemplates),
  ...updates,
  ...names,
];
