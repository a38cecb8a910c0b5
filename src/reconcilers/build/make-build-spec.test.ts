import { describe, expect, it } from "vitest";
import type { BuildTemplate } from "../../api/build-template.ts";
import type { Build } from "../../api/build.ts";
import type { ConfigMap } from "../../api/config-map.ts";
import type { Secret } from "../../api/secret.ts";
import type { BuildSpec } from "../../runtime/builds.ts";
import { type BuildSpecInput, makeBuildSpec } from "./make-build-spec.ts";

const commit = "0".repeat(40);
const secrets: Record<string, Secret> = {
  npm: {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "npm" },
    data: { token: Buffer.from("t0ken").toString("base64") },
  },
};
const configMaps: Record<string, ConfigMap> = {
  settings: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { LEVEL: "info" } },
};

function build(spec: Build["spec"], metadata: Partial<Build["metadata"]> = {}): Build {
  return {
    apiVersion: "build.dev/v1alpha1",
    kind: "Build",
    metadata: { name: "app-00001", namespace: "ns", uid: "u1", ...metadata },
    spec: { serviceAccountName: "default", timeout: "10m", ...spec },
  };
}

function template(spec: BuildTemplate["spec"], annotations: Record<string, string> = {}): BuildTemplate {
  return {
    apiVersion: "build.dev/v1alpha1",
    kind: "BuildTemplate",
    metadata: { name: "nodejs-24", namespace: "build-templates", annotations },
    spec,
  };
}

const input = (seen: Partial<BuildSpecInput> & Pick<BuildSpecInput, "build">): BuildSpecInput => ({
  namespaceUid: "n1",
  template: undefined,
  hasAccount: true,
  secrets: [],
  pullSecrets: [],
  source: { namespace: "ns", secret: (name) => secrets[name], configMap: (name) => configMaps[name] },
  ...seen,
});

function make(seen: Partial<BuildSpecInput> & Pick<BuildSpecInput, "build">): {
  spec: BuildSpec;
  notices: readonly string[];
} {
  const result = makeBuildSpec(input(seen));
  if (!("spec" in result)) throw new Error(JSON.stringify(result));
  return result;
}

const steps = [{ image: "a" }];

describe("makeBuildSpec()", () => {
  it("takes a Build's own steps as they are, with what they refer to", () => {
    const { spec } = make({
      build: build({
        steps: [
          {
            name: "compile",
            image: "toolchain:1",
            command: ["make"],
            args: ["LEVEL=$(LEVEL)", "${NAME}"],
            env: [{ name: "TOKEN", valueFrom: { secretKeyRef: { name: "npm", key: "token" } } }],
            envFrom: [{ configMapRef: { name: "settings" } }],
            workingDir: "/workspace/app",
            resources: { limits: { cpu: "500m", memory: "1Gi" }, requests: { memory: "512Mi" } },
            volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
            securityContext: { runAsUser: 1000 },
          },
          { image: "b" },
        ],
        volumes: [{ name: "scratch", emptyDir: {} }],
        timeout: "90s",
      }),
    });
    expect(spec).toEqual({
      uid: "u1",
      steps: [
        {
          name: "compile",
          image: "toolchain:1",
          command: ["make"],
          args: ["LEVEL=info", "${NAME}"],
          workingDir: "/workspace/app",
          env: [
            { name: "LEVEL", value: "info" },
            { name: "TOKEN", value: "t0ken" },
          ],
          security: expect.objectContaining({ runAsUser: 1000, seccomp: "RuntimeDefault" }) as unknown,
          resources: { cpuMilli: 500, memoryBytes: 1024 ** 3, requests: { memory: "512Mi" } },
          mounts: [
            { mountPath: "/scratch", readOnly: false, volume: "scratch", source: { type: "emptyDir", medium: "" } },
          ],
        },
        expect.objectContaining({ name: "step-2", image: "b", env: [], resources: {}, mounts: [] }) as unknown,
      ],
      baseImages: [],
      registryAuths: [],
      gitCredentials: [],
      timeoutMs: 90_000,
      labels: { "build.dev/buildName": "app-00001" },
    });
  });

  it("puts arguments and defaults into a template's steps, once, and leaves the rest", () => {
    const arguments_ = [
      { name: "_IMAGE", value: "registry.example/app:1" },
      { name: "_ENTRY", value: "${_DIR}" },
    ];
    const { spec, notices } = make({
      build: build({ template: { name: "nodejs_24", arguments: arguments_ } }),
      template: template(
        {
          parameters: [
            { name: "_IMAGE" },
            { name: "_ENTRY" },
            { name: "_DIR", default: "app" },
            { name: "_BASE", default: "node:24" },
          ],
          steps: [
            {
              name: "${_DIR}-step",
              image: "${_BASE}",
              command: ["${_ENTRY}"],
              args: ["${_IMAGE}", "${HOME}", "$${_DIR}"],
              env: [{ name: "DIR", value: "/${_DIR}" }],
              workingDir: "/workspace/${_DIR}",
              volumeMounts: [{ name: "v", mountPath: "/${_DIR}", subPath: "${_DIR}" }],
            },
          ],
          volumes: [{ name: "v", emptyDir: {} }],
        },
        { "build.dev/base-images": "${_BASE}, other:1,${_BASE}", "build.dev/notice": "It is 24." },
      ),
    });
    expect(spec.steps[0]).toMatchObject({
      name: "app-step",
      image: "node:24",
      command: ["${_DIR}"],
      args: ["registry.example/app:1", "${HOME}", "$app"],
      env: [{ name: "DIR", value: "/app" }],
      workingDir: "/workspace/app",
      mounts: [{ mountPath: "/app", subPath: "app" }],
    });
    expect(spec.image).toBe("registry.example/app:1");
    expect(spec.baseImages).toEqual(["node:24", "other:1"]);
    expect(notices).toEqual(["It is 24."]);
  });

  it("names the image by the argument, else by the Configuration's promise", () => {
    const annotations = { "elafros.dev/image": "localhost/ns/app" };
    const named = template({ parameters: [{ name: "_IMAGE" }], steps: [{ image: "a", args: ["${_IMAGE}"] }] });
    const promised = make({ build: build({ template: { name: "t" } }, { annotations }), template: named }).spec;
    expect([promised.image, promised.steps[0]?.args]).toEqual(["localhost/ns/app", ["localhost/ns/app"]]);
    expect(make({ build: build({ steps }, { annotations }) }).spec.image).toBe("localhost/ns/app");
    const silent = template({ steps });
    const given = build({ template: { name: "t", arguments: [{ name: "_IMAGE", value: "app:2" }] } }, { annotations });
    expect(make({ build: given, template: silent }).spec.image).toBe("app:2");
    expect(make({ build: build({ steps }) }).spec.image).toBeUndefined();
  });

  it("lets a Build's volume take the place of the template's", () => {
    const { spec } = make({
      build: build({ template: { name: "t" }, volumes: [{ name: "v", configMap: { name: "settings" } }] }),
      template: template({
        steps: [{ image: "a", volumeMounts: [{ name: "v", mountPath: "/v" }] }],
        volumes: [{ name: "v", emptyDir: {} }],
      }),
    });
    expect(spec.steps[0]?.mounts[0]?.source.type).toBe("files");
  });

  it("says which argument isn't used", () => {
    const given = build({ template: { name: "t", arguments: [{ name: "_TYPO", value: "x" }] } });
    expect(make({ build: given, template: template({ steps }) }).notices).toEqual([
      'Argument "_TYPO" is not used: BuildTemplate "nodejs-24" has no parameter of that name',
    ]);
  });

  it.each<[string, Build["spec"]["source"], BuildSpec["source"]]>([
    [
      "a commit",
      { git: { url: "https://g.example/a", commit, branch: "" } },
      { type: "git", url: "https://g.example/a", commit },
    ],
    [
      "a branch",
      { git: { url: "https://g.example/a", branch: "main" } },
      { type: "git", url: "https://g.example/a", branch: "main" },
    ],
    ["an archive", { gcs: { location: "gs://b/a.zip" } }, { type: "archive", location: "gs://b/a.zip" }],
    [
      "a manifest",
      { gcs: { location: "gs://b/a.json", type: "manifest" } },
      { type: "manifest", location: "gs://b/a.json" },
    ],
    [
      "a container",
      { custom: { image: "fetch:1" } },
      { type: "custom", step: expect.objectContaining({ name: "source", image: "fetch:1" }) as never },
    ],
  ])("takes the source from %s", (_, source, expected) => {
    expect(make({ build: build({ steps, ...(source === undefined ? {} : { source }) }) }).spec.source).toEqual(
      expected,
    );
  });

  it("has the credentials of its account, and those that are for pulling", () => {
    const login = { username: Buffer.from("u").toString("base64"), password: Buffer.from("p").toString("base64") };
    const git: Secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "git", annotations: { "build.dev/git-0": "git.example" } },
      type: "kubernetes.io/basic-auth",
      data: login,
    };
    const config = { auths: { "r.example": { username: "u", password: "p" } } };
    const pull: Secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "pull" },
      type: "kubernetes.io/dockerconfigjson",
      data: { ".dockerconfigjson": Buffer.from(JSON.stringify(config)).toString("base64") },
    };
    const { spec } = make({ build: build({ steps }), secrets: [git], pullSecrets: [pull] });
    expect(spec.gitCredentials).toEqual([{ type: "basic", url: "https://git.example", username: "u", password: "p" }]);
    expect(spec.registryAuths).toEqual([{ registry: "r.example", username: "u", password: "p" }]);
  });

  it("shares a cache among the Builds of one Configuration, and with nobody else", () => {
    const owner = {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      name: "app",
      uid: "c1",
      controller: true,
    };
    const labels = { "elafros.dev/configuration": "app" };
    expect(make({ build: build({ steps }, { labels, ownerReferences: [owner] }) }).spec.cache).toBe("n1.app");
    const again = build({ steps }, { labels, ownerReferences: [owner] });
    expect(make({ build: again, namespaceUid: "n2" }).spec.cache).toBe("n2.app");
    expect(make({ build: again, namespaceUid: "" }).spec.cache).toBeUndefined();
    expect(make({ build: build({ steps }, { labels }) }).spec.cache).toBeUndefined();
    expect(make({ build: build({ steps }, { ownerReferences: [owner] }) }).spec.cache).toBeUndefined();
  });

  it.each<[string, Partial<BuildSpecInput> & Pick<BuildSpecInput, "build">, string]>([
    [
      "the template",
      { build: build({ template: { name: "Node_JS", namespace: "build-templates" } }) },
      'TemplateMissing: there is no BuildTemplate "node-js" in namespace build-templates: `elafros templates list` shows which there are',
    ],
    [
      "the template, anywhere",
      { build: build({ template: { name: "make" } }) },
      'TemplateMissing: there is no BuildTemplate "make" in namespace ns or build-templates: `elafros templates list` shows which there are',
    ],
    [
      "the account and a Secret",
      {
        build: build({
          serviceAccountName: "robot",
          steps: [{ image: "a", envFrom: [{ secretRef: { name: "gone" } }] }],
        }),
        hasAccount: false,
      },
      'Cannot start: serviceaccount "robot" not found; secret "gone" not found',
    ],
  ])("says that %s is missing", (_, seen, missing) => {
    expect(makeBuildSpec(input(seen))).toEqual({ missing });
  });

  it.each<[string, Partial<BuildSpecInput> & Pick<BuildSpecInput, "build">, string]>([
    [
      "a parameter without a value",
      {
        build: build({ template: { name: "t" } }),
        template: template({ parameters: [{ name: "A" }, { name: "B" }], steps }),
      },
      'UnsatisfiedParameter: BuildTemplate "nodejs-24" needs "A", "B", which has no default: add it to spec.template.arguments',
    ],
    [
      "a step that arguments made wrong",
      {
        build: build({ template: { name: "t", arguments: [{ name: "A", value: "Not An Image" }] } }),
        template: template({ parameters: [{ name: "A" }], steps: [{ image: "${A}" }] }),
      },
      'BuildTemplate "nodejs-24" spec.steps[0].image: Invalid value: "Not An Image": must be an image reference such as registry.example/app:1.2 or registry.example/app@sha256:…',
    ],
    [
      "an image's name that is none",
      {
        build: build({ template: { name: "t", arguments: [{ name: "_IMAGE", value: "A B" }] } }),
        template: template({ steps }),
      },
      '_IMAGE must be an image reference such as registry.example/app:1.2 or registry.example/app@sha256:…, without a digest: "A B" is not',
    ],
    [
      "a Secret's annotation that names nothing",
      {
        build: build({ steps }),
        secrets: [
          {
            apiVersion: "v1",
            kind: "Secret",
            metadata: { name: "s", namespace: "ns", annotations: { "build.dev/git-0": "a b" } },
            type: "kubernetes.io/basic-auth",
          },
        ],
      },
      'Secret ns/s: annotation build.dev/git-0 must be a URL such as https://git.example.com, or a host: "a b" is neither',
    ],
  ])("says what is wrong with %s", (_, seen, fault) => {
    expect(makeBuildSpec(input(seen))).toEqual({ fault });
  });
});
