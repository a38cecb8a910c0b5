import { describe, expect, test } from "vitest";
import { admit, faultTexts } from "../../test/support/faults.ts";
import { isFixed, templateName } from "./build-spec.ts";
import { stepName } from "./build-step.ts";
import { Build, type Build as BuildObject } from "./build.ts";
import { Configuration } from "./configuration.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const digest = "ab".repeat(32);
const git = { url: "https://git.example/app.git", commit };
const template = { name: "nodejs_24", arguments: [{ name: "_IMAGE", value: "registry.example/app:1" }] };

function build(spec: object, annotations?: object): unknown {
  return {
    apiVersion: "build.dev/v1alpha1",
    kind: "Build",
    metadata: { name: "app", namespace: "default", ...(annotations === undefined ? {} : { annotations }) },
    spec,
  };
}

/** Reason and field of each cause. */
function causes(spec: object): string[] {
  return admit(Build, build(spec)).faults.map(({ reason, field }) => `${reason} ${field}`);
}

describe("Build", () => {
  test("fills in the documented defaults and nothing else", () => {
    const { object, faults } = admit(Build, build({ source: { git }, template }));
    expect(faults).toEqual([]);
    expect(object.spec).toEqual({ source: { git }, template, serviceAccountName: "default", timeout: "10m" });
  });

  test("reads a gcs source's type in any case, archive unless it says otherwise", () => {
    const type = (given: object) =>
      admit(Build, build({ source: { gcs: { location: "gs://bucket/a.zip", ...given } }, template })).object.spec.source
        ?.gcs?.type;
    expect([type({ type: "Archive" }), type({ type: "MANIFEST" }), type({})]).toEqual([
      "archive",
      "manifest",
      "archive",
    ]);
  });

  test("accepts steps with everything that there is", () => {
    const step = {
      name: "compile",
      image: "elafros.dev/tools",
      command: ["make"],
      args: ["-C", "${HOME}"],
      env: [
        { name: "PORT", value: "1" },
        { name: "T", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
      ],
      envFrom: [{ configMapRef: { name: "c" } }],
      workingDir: "/workspace/app",
      resources: { limits: { cpu: 2, memory: "1Gi" } },
      volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
      securityContext: { runAsUser: 1000 },
    };
    const volumes = [{ name: "scratch", emptyDir: { sizeLimit: 1048576 } }];
    const { object, faults } = admit(
      Build,
      build({ source: { custom: { image: "a" } }, steps: [step], volumes, timeout: "1h" }),
    );
    expect(faults).toEqual([]);
    expect(object.spec.steps?.[0]?.resources?.limits).toEqual({ cpu: "2", memory: "1Gi" });
    expect(object.spec.volumes?.[0]?.emptyDir?.sizeLimit).toBe("1048576");
  });

  const steps = [{ image: "a" }];
  test.each<[string, object, string[]]>([
    ["a template and steps", { template, steps }, ["TemplateAndSteps spec.steps"]],
    ["neither template nor steps", { source: { git } }, ["FieldValueRequired spec.template"]],
    ["a template without a name", { template: {} }, ["MissingTemplateName spec.template.name"]],
    [
      "an argument twice",
      { template: { name: "a", arguments: [{ name: "A" }, { name: "A", value: "b" }] } },
      ["DuplicateArgName spec.template.arguments[1].name"],
    ],
    [
      "a step's name twice",
      { steps: [{ name: "a", image: "a" }, { name: "a", image: "b" }, { image: "c" }, { name: "step-3", image: "d" }] },
      ["DuplicateStepName spec.steps[1].name", "DuplicateStepName spec.steps[3].name"],
    ],
    [
      "a volume's name twice",
      {
        steps,
        volumes: [
          { name: "v", emptyDir: {} },
          { name: "v", emptyDir: {} },
        ],
      },
      ["DuplicateVolumeName spec.volumes[1].name"],
    ],
    ["a git source without url", { source: { git: { commit } }, template }, ["MissingUrl spec.source.git.url"]],
    [
      "a git source that doesn't say what to take",
      { source: { git: { url: git.url, branch: "" } }, template },
      ["MissingCommitish spec.source.git"],
    ],
    ["a gcs source without location", { source: { gcs: {} }, template }, ["MissingLocation spec.source.gcs.location"]],
    [
      "a custom source with a name",
      { source: { custom: { name: "mine", image: "a" } }, template },
      ["OmitName spec.source.custom.name"],
    ],
    ["a source of no known sort", { source: {}, template }, ["UnrecognizedSource spec.source"]],
    [
      "two sources",
      { source: { git, gcs: { location: "gs://b/a.zip" } }, template },
      ["UnrecognizedSource spec.source"],
    ],
    [
      "a branch and a tag",
      { source: { git: { url: git.url, branch: "main", tag: "v1" } }, template },
      ["FieldValueForbidden spec.source.git.tag"],
    ],
    [
      "templates of other namespaces",
      { template: { ...template, namespace: "other" } },
      ["FieldValueForbidden spec.template.namespace"],
    ],
    ["no duration", { template, timeout: "soon" }, ["FieldValueInvalid spec.timeout"]],
    ["no time at all", { template, timeout: "0s" }, ["FieldValueInvalid spec.timeout"]],
    ["more than a day", { template, timeout: "24h1s" }, ["FieldValueInvalid spec.timeout"]],
    ["another status", { template, status: "Paused" }, ["FieldValueNotSupported spec.status"]],
    [
      "a step that uses what isn't there, or isn't its own",
      {
        steps: [
          {
            name: "source",
            image: "Not An Image",
            volumeMounts: [
              { name: "gone", mountPath: "/a" },
              { name: "gone", mountPath: "/workspace/b" },
            ],
            ports: [],
            lifecycle: {},
          },
        ],
      },
      [
        "FieldValueForbidden spec.steps[0].ports",
        "FieldValueForbidden spec.steps[0].lifecycle",
        "FieldValueInvalid spec.steps[0].name",
        "FieldValueInvalid spec.steps[0].image",
        "FieldValueNotFound spec.steps[0].volumeMounts[0].name",
        "FieldValueNotFound spec.steps[0].volumeMounts[1].name",
        "FieldValueInvalid spec.steps[0].volumeMounts[1].mountPath",
      ],
    ],
  ])("refuses %s", (_, spec, expected) => {
    expect(causes(spec)).toEqual(expected);
  });

  test.each([
    "https://git.example/a.git",
    "http://git.example:3000/a",
    "https://alice@git.example/a.git",
    "ssh://git@git.example:2222/a.git",
    "git@git.example:team/a.git",
    "git.example:a.git",
    "file:///srv/git/a.git",
  ])("takes a repository from %s", (url) => {
    expect(causes({ source: { git: { url, branch: "main" } }, template })).toEqual([]);
  });

  test.each([
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
  ])("refuses a repository at %j", (url) => {
    expect(causes({ source: { git: { url, branch: "main" } }, template })).toEqual([
      "FieldValueInvalid spec.source.git.url",
    ]);
  });

  test.each(["--force", "a..b", "a b", "a~1", "a:b", "/a", "a/", "a.lock", "@", "a@{1}", ".a", "a/.b", "a\u0000"])(
    "refuses the branch %j",
    (branch) => {
      expect(causes({ source: { git: { url: git.url, branch } }, template })).toEqual([
        "FieldValueInvalid spec.source.git.branch",
      ]);
    },
  );

  test.each(["a6f92d1", commit.toUpperCase(), `${commit}0`, "main"])("refuses the commit %s", (short) => {
    const texts = faultTexts(Build, build({ source: { git: { url: git.url, commit: short } }, template }));
    expect(texts).toEqual([expect.stringContaining("must be all 40 hexadecimal digits")]);
  });

  test.each<[string, boolean]>([
    ["https://files.example/a.tar.gz", true],
    [`http://files.example/a.zip#sha256=${digest}`, true],
    ["gs://bucket/a.zip", true],
    ["s3://bucket/a.zip", true],
    [`upload:sha256:${digest}`, true],
    ["http://files.example/a.zip", false],
    ["upload:sha256:abc", false],
    ["file:///etc/passwd", false],
    ["https://a:b@files.example/a.zip", false],
    ["https:files.example", false],
  ])("an archive at %s is accepted: %s", (location, accepted) => {
    expect(causes({ source: { gcs: { location } }, template })).toEqual(
      accepted ? [] : ["FieldValueInvalid spec.source.gcs.location"],
    );
  });

  test("never changes but to be cancelled, and then stays so", () => {
    const old = admit(Build, build({ source: { git }, template })).object;
    const changed = (change: (object: BuildObject) => void, from = old) => {
      const object = structuredClone(from);
      change(object);
      return faultTexts(Build, object, from);
    };
    const words = "is immutable but for status: create another Build, or change the Configuration";
    expect(changed(({ spec }) => (spec.timeout = "5m"))).toEqual([`spec: Invalid value: "object": ${words}`]);
    expect(changed(({ metadata }) => (metadata.labels = { a: "b" }))).toEqual([]);
    expect(changed(({ spec }) => (spec.status = "BuildCancelled"))).toEqual([]);
    const cancelled = structuredClone(old);
    cancelled.spec.status = "BuildCancelled";
    expect(changed(({ spec }) => delete spec.status, cancelled)).toEqual([
      "spec.status: Invalid value: null: a cancelled Build stays so: create another",
    ]);
  });

  test("has an image's name without a digest in its annotation", () => {
    const named = (image: string) => faultTexts(Build, build({ template }, { "elafros.dev/image": image }));
    expect(named("localhost/default/app")).toEqual([]);
    expect(named("Not One")).toHaveLength(1);
    expect(named(`app@sha256:${digest}`)).toHaveLength(1);
  });
});

describe("Configuration", () => {
  const configuration = (image: string, inline: object, spec: object = {}): unknown => ({
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name: "app", namespace: "default" },
    spec: { build: inline, revisionTemplate: { spec: { container: { image }, ...spec } } },
  });

  test("takes a build as the examples write it", () => {
    const inline = { source: { git }, template: { ...template, namespace: "build-templates" } };
    const { object, faults } = admit(Configuration, configuration("registry.example/app:1", inline));
    expect(faults).toEqual([]);
    expect(object.spec.build).toEqual({ ...inline, serviceAccountName: "default", timeout: "10m" });
  });

  test("has the causes of a Build, in its own place", () => {
    const { faults } = admit(Configuration, configuration("a", { source: { git: {} }, template: {}, steps: [{}] }));
    expect(faults.map(({ reason, field }) => `${reason} ${field}`)).toEqual([
      "FieldValueRequired spec.build.steps[0].image",
      "MissingUrl spec.build.source.git.url",
      "MissingCommitish spec.build.source.git",
      "TemplateAndSteps spec.build.steps",
      "MissingTemplateName spec.build.template.name",
    ]);
  });

  test("promises the image that its build makes", () => {
    const field = "spec.revisionTemplate.spec.container.image";
    const faults = (image: string, spec?: object) =>
      faultTexts(Configuration, configuration(image, { template }, spec));
    expect(faults("registry.example/other")).toEqual([
      `${field}: Invalid value: "registry.example/other": must be what the build makes, "registry.example/app:1" (spec.build.template.arguments[_IMAGE]): change both, or leave out spec.build to run an image that is there`,
    ]);
    expect(faults("registry.example/other", { buildName: "app-00001" })).toEqual([]);
    const pinned = `a@sha256:${digest}`;
    expect(faultTexts(Configuration, configuration(pinned, { steps: [{ image: "a" }] }))).toEqual([
      `${field}: Invalid value: "${pinned}": must have no digest where spec.build makes it: name a tag, or leave out spec.build`,
    ]);
  });

  test("isn't where a build is cancelled", () => {
    expect(
      faultTexts(Configuration, configuration("registry.example/app:1", { template, status: "BuildCancelled" })),
    ).toEqual([
      "spec.build.status: Forbidden: cancel the Build, not the Configuration: set its spec.status, or delete it",
    ]);
  });
});

test("isFixed() is true where the source is the same each time", () => {
  expect(isFixed({ git })).toBe(true);
  expect(isFixed({ gcs: { location: `upload:sha256:${digest}` } })).toBe(true);
  expect(isFixed({ gcs: { location: `https://a.example/a.zip#sha256=${digest}` } })).toBe(true);
  expect(isFixed({ git: { url: git.url, branch: "main" } })).toBe(false);
  expect(isFixed({ gcs: { location: "https://a.example/a.zip" } })).toBe(false);
  expect(isFixed({ custom: { image: "a" } })).toBe(false);
  expect(isFixed(undefined)).toBe(false);
});

test("names of templates and steps", () => {
  expect(templateName("NodeJS_8_9_4")).toBe("nodejs-8-9-4");
  expect([stepName({ image: "a" }, 1), stepName({ name: "b", image: "a" }, 1)]).toEqual(["step-2", "b"]);
});
