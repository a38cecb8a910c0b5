import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { manifests, manifestsYaml } from "./manifests.ts";
import { type Manifest, defaultInstall } from "./names.ts";

const options = {
  namespace: "own",
  domain: "apps.example",
  image: "registry.example/elafros:1",
  toolsImage: "registry.example/elafros-tools:1",
};
const all = manifests(options);
const of = (kind: string) => all.filter((one) => one.kind === kind);

interface Pod {
  metadata: { labels: Record<string, string> };
  spec: {
    automountServiceAccountToken: boolean;
    hostNetwork?: boolean;
    securityContext: { runAsNonRoot: boolean; runAsUser: number; seccompProfile: { type: string } };
    terminationGracePeriodSeconds: number;
    containers: {
      image: string;
      args: string[];
      ports: { name: string; containerPort: number }[];
      readinessProbe: { httpGet: { port: string } };
      resources: { requests: Record<string, string>; limits: Record<string, string> };
      securityContext: Record<string, unknown>;
      volumeMounts: { name: string }[];
    }[];
    volumes: Record<string, unknown>[];
    tolerations: { key: string; tolerationSeconds: number }[];
  };
}
const podOf = (deployment: Manifest) => (deployment["spec"] as { template: Pod }).template;
const pods = of("Deployment").map((one) => [one.metadata.name, podOf(one)] as const);

/** What a Pod of the level `restricted` may mount. */
const volumeTypes = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
];

describe.each(pods)("Pods of %s", (_, { spec, metadata }) => {
  test("are what the Pod Security level restricted wants", () => {
    expect(spec).not.toHaveProperty("hostNetwork");
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    expect(spec.securityContext.runAsUser).toBeGreaterThan(0);
    for (const volume of spec.volumes) {
      expect(
        Object.keys(volume)
          .filter((key) => key !== "name")
          .every((type) => volumeTypes.includes(type)),
      ).toBe(true);
    }
    for (const { securityContext, ports } of spec.containers) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        readOnlyRootFilesystem: true,
      });
      for (const port of ports) {
        expect(port).not.toHaveProperty("hostPort");
        expect(port.containerPort).toBeGreaterThan(1023);
      }
    }
  });

  test("don't wait Kubernetes' five minutes on a node that is lost", () => {
    const waits = spec.tolerations.map(({ key, tolerationSeconds }) => [key, tolerationSeconds]);
    expect(waits).toEqual([
      ["node.kubernetes.io/not-ready", 30],
      ["node.kubernetes.io/unreachable", 30],
    ]);
  });

  test("say what they need, mount what is there and are asked at a port that they have", () => {
    for (const container of spec.containers) {
      expect(Object.keys(container.resources.requests)).toEqual(["cpu", "memory"]);
      expect(container.resources.limits["memory"]).toBeDefined();
      const volumes = spec.volumes.map((volume) => volume["name"]);
      expect(container.volumeMounts.every(({ name }) => volumes.includes(name))).toBe(true);
      expect(container.ports.map(({ name }) => name)).toContain(container.readinessProbe.httpGet.port);
    }
  });

  test("are selected by a Service, a disruption budget and a network policy", () => {
    const selects = (selector: Record<string, string>) =>
      Object.entries(selector).every(([key, value]) => metadata.labels[key] === value);
    const services = of("Service").map(
      (one) => one["spec"] as { selector: Record<string, string>; ports: { targetPort: string }[] },
    );
    const mine = services.filter(({ selector }) => selects(selector));
    expect(mine).not.toEqual([]);
    const names = spec.containers.flatMap(({ ports }) => ports.map(({ name }) => name));
    expect(
      mine.flatMap(({ ports }) => ports.map(({ targetPort }) => targetPort)).filter((name) => !names.includes(name)),
    ).toEqual([]);
    for (const kind of ["PodDisruptionBudget", "NetworkPolicy"]) {
      const found = of(kind).filter((one) => {
        const { selector, podSelector } = one["spec"] as Record<string, { matchLabels?: Record<string, string> }>;
        const labels = (selector ?? podSelector)?.matchLabels;
        return labels !== undefined && selects(labels);
      });
      expect(found, kind).toHaveLength(1);
    }
  });
});

test("a gateway has no token of the API, and more time to end than it needs for its last requests", () => {
  const gateway = pods.find(([name]) => name === "elafros-gateway")?.[1].spec;
  expect(gateway?.automountServiceAccountToken).toBe(false);
  expect(gateway?.terminationGracePeriodSeconds).toBeGreaterThan(300);
  const subjects = of("ClusterRoleBinding")
    .concat(of("RoleBinding"))
    .flatMap((one) => one["subjects"] as { name: string }[]);
  expect(subjects.map(({ name }) => name)).not.toContain("elafros-gateway");
});

interface PolicyRule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}
const roles = [...of("ClusterRole"), ...of("Role")].map(
  (one) => [one.metadata.name, one["rules"] as PolicyRule[]] as const,
);

test("no role has a wildcard, and none may give rights", () => {
  for (const [name, rules] of roles) {
    const words = rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs]);
    expect(words, name).not.toContain("*");
    expect(
      words.filter((word) => ["bind", "escalate", "impersonate", "rbac.authorization.k8s.io"].includes(word)),
      name,
    ).toEqual([]);
  }
});

test("only the controllers create Revisions, and only they write status", () => {
  const makers = roles.filter(([, rules]) =>
    rules.some(
      ({ resources, verbs }) =>
        (resources.includes("revisions") && verbs.includes("create")) ||
        (resources.some((one) => one.endsWith("/status")) && verbs.some((verb) => ["update", "patch"].includes(verb))),
    ),
  );
  expect(makers.map(([name]) => name)).toEqual(["elafros-controller"]);
});

test("admin, edit and view take up the roles for users", () => {
  for (const name of ["admin", "edit", "view"]) {
    const role = of("ClusterRole").find(({ metadata }) => metadata.name === `elafros-${name}`);
    expect(role?.metadata.labels).toHaveProperty([`rbac.authorization.k8s.io/aggregate-to-${name}`], "true");
  }
});

test("everything stands in the installation's namespaces, after them, once, and says whose it is", () => {
  const known = new Set<string>();
  const seen = new Set<string>();
  for (const { kind, metadata } of all) {
    if (kind === "Namespace") known.add(metadata.name);
    if (metadata.namespace !== undefined) expect(known, `${kind} ${metadata.name}`).toContain(metadata.namespace);
    expect(metadata.labels, `${kind} ${metadata.name}`).toHaveProperty(["app.kubernetes.io/part-of"], "elafros");
    const identity = `${kind} ${metadata.namespace ?? ""} ${metadata.name}`;
    expect(seen).not.toContain(identity);
    seen.add(identity);
  }
  expect([...known]).toEqual(["own", "build-templates"]);
});

test("an installation is told its image and domain", () => {
  for (const [, { spec }] of pods) expect(spec.containers.map(({ image }) => image)).toEqual([options.image]);
  expect(pods.flatMap(([, { spec }]) => spec.containers.flatMap(({ args }) => args))).toContain("apps.example");
  expect(defaultInstall.image).toMatch(/^localhost\/elafros:\d+\.\d+\.\d+$/);
});

describe("with HTTPS", () => {
  const acme = { server: "https://ca.test/dir", email: "a@b.org", ca: "CA\n", eabKid: "k1", eabKey: "secret\n" };
  const secure = (more: object = {}) => manifests({ ...options, https: true, ...more });
  const podIn = (objects: Manifest[], name: string) => {
    const found = objects.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === name);
    if (found === undefined) throw new Error(`There is no Deployment ${name}`);
    return podOf(found);
  };
  const argsIn = (objects: Manifest[], name: string) => podIn(objects, name).spec.containers[0]?.args ?? [];

  test("gateways keep keys in memory, and none without it", () => {
    const volumes = podIn(secure(), "elafros-gateway").spec.volumes;
    expect(volumes.filter((volume) => JSON.stringify(volume).includes("Memory"))).toHaveLength(1);
    expect(JSON.stringify(all)).not.toContain("--https");
    expect(all.some(({ kind }) => kind === "Secret")).toBe(false);
    expect(argsIn(secure(), "elafros-gateway")).toContain("--https");
    expect(argsIn(secure(), "elafros-gateway")).not.toContain("--https-redirect");
    expect(argsIn(secure({ httpsRedirect: true }), "elafros-gateway")).toContain("--https-redirect");
  });

  test("controllers are told of the ACME server, and what isn't for everybody stands in a Secret alone", () => {
    const objects = secure({ acme });
    const args = argsIn(objects, "elafros-controller").join(" ");
    expect(args).toContain("--https --acme-server https://ca.test/dir --acme-email a@b.org");
    expect(args).toContain("--acme-ca /var/run/elafros/acme/ca.crt --acme-eab-kid k1");
    expect(args).toContain("--acme-eab-key /var/run/elafros/acme/eab-key");
    const secret = objects.find(({ kind }) => kind === "Secret");
    expect(secret?.metadata).toMatchObject({ name: "elafros-acme", namespace: "own" });
    const rest = JSON.stringify(objects.filter((one) => one !== secret));
    expect([rest.includes("secret\\n"), rest.includes(Buffer.from("secret\n").toString("base64"))]).toEqual([
      false,
      false,
    ]);
    const before = podIn(objects, "elafros-controller").metadata;
    expect(podIn(secure({ acme: { ...acme, eabKey: "another" } }), "elafros-controller").metadata).not.toEqual(before);
    expect(secure({ acme: { server: acme.server } }).some(({ kind }) => kind === "Secret")).toBe(false);
  });
});

test("the YAML says the same as the objects", () => {
  const read = parseAllDocuments(manifestsYaml(all)).map((document) => document.toJS() as unknown);
  expect(read).toEqual(JSON.parse(JSON.stringify(all)));
});

test("everybody may knock at the door to the registry where there is one, and do nothing else with Services", () => {
  const found = manifests({ ...options, buildRegistry: "r.example/elafros", buildRegistrySecret: "login" });
  const named = found.filter(({ metadata }) => metadata.name === "elafros-uploads");
  expect(named.map(({ kind, metadata }) => `${kind} ${metadata.namespace}`).toSorted()).toEqual([
    "ConfigMap build-templates",
    "Role build-templates",
    "Role own",
    "RoleBinding build-templates",
    "RoleBinding own",
  ]);
  const rules = named.flatMap(({ rules: all = [] }) => all as object[]);
  expect(rules).toContainEqual({
    apiGroups: [""],
    resources: ["services/proxy"],
    resourceNames: ["https:elafros-controller:sources"],
    verbs: ["get", "update"],
  });
  const args = JSON.stringify(
    found.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === "elafros-controller"),
  );
  expect(args).toContain('"--build-registry","r.example/elafros","--build-registry-secret","login"');
  expect(all.some(({ metadata }) => metadata.name === "elafros-uploads")).toBe(false);
});
