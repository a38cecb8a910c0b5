/** Builds and BuildTemplates as the API server answers about them: over HTTP, and to kubectl. */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { Build } from "../../src/api/build.ts";
import { RoleBinding } from "../../src/api/role-binding.ts";
import { type Answer, type ApiBench, apiBench } from "../support/api-server.ts";
import { hasKubectl } from "../support/kubectl.ts";
import { run } from "../support/platform.ts";

const builds = "/apis/build.dev/v1alpha1/namespaces/default/builds";
const commit = "0123456789abcdef0123456789abcdef01234567";
const git = { url: "https://git.example/app.git", commit };
const template = { name: "nodejs_24", namespace: "build-templates" };

function create(bench: ApiBench, spec: object, name = "app"): Promise<Answer> {
  return bench.ask("POST", builds, {
    body: { apiVersion: "build.dev/v1alpha1", kind: "Build", metadata: { name }, spec },
  });
}

describe("the API server", () => {
  /** Each cause of the specification's §5 that is known when an object is sent, and the answer as it was recorded. */
  it.each<[string, object, string, string]>([
    [
      "TemplateAndSteps",
      { template, steps: [{ image: "a" }] },
      "spec.steps",
      "A build has steps or a template, not both: leave one out",
    ],
    [
      "MissingTemplateName",
      { template: { namespace: "build-templates" } },
      "spec.template.name",
      "A template is named by its name: `elafros templates list` shows which there are",
    ],
    [
      "DuplicateArgName",
      {
        template: {
          ...template,
          arguments: [
            { name: "A", value: "1" },
            { name: "A", value: "2" },
          ],
        },
      },
      "spec.template.arguments[1].name",
      'Duplicate value: "A"',
    ],
    [
      "DuplicateStepName",
      {
        steps: [
          { name: "a", image: "a" },
          { name: "a", image: "a" },
        ],
      },
      "spec.steps[1].name",
      'Each step has a name of its own: "a" is there twice',
    ],
    [
      "DuplicateVolumeName",
      {
        template,
        volumes: [
          { name: "v", emptyDir: {} },
          { name: "v", emptyDir: {} },
        ],
      },
      "spec.volumes[1].name",
      'Duplicate value: "v"',
    ],
    [
      "MissingUrl",
      { template, source: { git: { commit } } },
      "spec.source.git.url",
      "A git source has the repository's URL in url",
    ],
    [
      "MissingCommitish",
      { template, source: { git: { url: git.url } } },
      "spec.source.git",
      "A git source says what to take: set commit, branch, tag or ref",
    ],
    [
      "MissingLocation",
      { template, source: { gcs: { type: "Archive" } } },
      "spec.source.gcs.location",
      "A gcs source has the archive's or manifest's URL in location",
    ],
    [
      "OmitName",
      { template, source: { custom: { name: "mine", image: "a" } } },
      "spec.source.custom.name",
      'The container that brings the source has no name: leave out "mine"',
    ],
    [
      "UnrecognizedSource",
      { template, source: {} },
      "spec.source",
      "A source is exactly one of git, gcs and custom: it has none of them",
    ],
  ])("refuses a Build with cause %s, and stores nothing", async (reason, spec, field, message) => {
    const bench = await apiBench();
    const answer = await create(bench, spec);
    expect(answer.status).toBe(422);
    expect(answer.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: `Build.build.dev "app" is invalid: ${field}: ${message}`,
      reason: "Invalid",
      code: 422,
      details: { name: "app", group: "build.dev", kind: "Build", causes: [{ reason, message, field }] },
    });
    expect((await bench.ask("GET", `${builds}/app`)).status).toBe(404);
  });

  it("lets a Build be cancelled, by an untyped patch too, and nothing else of it be changed", async () => {
    const bench = await apiBench();
    expect((await create(bench, { source: { git }, template })).status).toBe(201);
    const patch = (body: string) => bench.ask("PATCH", `${builds}/app`, { body });
    expect((await patch("spec:\n  timeout: 5m\n")).status).toBe(422);
    const cancelled = await patch("spec:\n  status: BuildCancelled\n");
    expect(cancelled.status).toBe(200);
    expect(cancelled.json).toMatchObject({
      metadata: { generation: 2 },
      spec: { source: { git }, status: "BuildCancelled" },
    });
  });

  it("writes a Build's status through its subresource only", async () => {
    const bench = await apiBench();
    await create(bench, { source: { git }, template });
    const body = { status: { imageDigest: "forged@sha256:0" } };
    const headers = { "content-type": "application/merge-patch+json" };
    await bench.ask("PATCH", `${builds}/app`, { body, headers });
    expect((await bench.ask("GET", `${builds}/app`)).json).not.toHaveProperty("status");
    // Nor may whoever edits a namespace: a Revision would run what they say.
    await bench.service.create(
      bench.context,
      { kind: RoleBinding, namespace: "default" },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
        metadata: { name: "eve" },
        subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "eve" }],
        roleRef: { kind: "ClusterRole", apiGroup: "rbac.authorization.k8s.io", name: "edit" },
      },
    );
    const as = { user: { username: "eve", groups: ["system:authenticated"] }, warnings: [] };
    const target = { kind: Build, namespace: "default", name: "app" };
    const labels = { type: "merge", body: { metadata: { labels: { a: "b" } } } } as const;
    await expect.poll(() => bench.service.patch(as, target, labels).catch(() => undefined)).toBeDefined();
    const forged = bench.service.patch(as, { ...target, subresource: "status" }, { type: "merge", body });
    await expect(forged).rejects.toMatchObject({ reason: "Forbidden" });
  });
});

describe.skipIf(!hasKubectl())("kubectl", () => {
  it("applies, lists and explains Builds and BuildTemplates, and shows what is refused", async () => {
    const bench = await apiBench();
    const config = await bench.kubeconfig("admin", ["system:masters"]);
    const env = { ...process.env, KUBECONFIG: config, KUBECACHEDIR: join(bench.dir, "cache") };
    const kubectl = (...args: string[]) => run("kubectl", args, { env });
    const example = resolve(import.meta.dirname, "../../examples/build-template.yaml");
    expect((await kubectl("apply", "-f", example)).stdout).toBe(
      "buildtemplate.build.dev/hugo created\nbuild.build.dev/pages created\n",
    );
    expect((await kubectl("apply", "-f", example)).stdout).toBe(
      "buildtemplate.build.dev/hugo unchanged\nbuild.build.dev/pages unchanged\n",
    );

    const resources = await kubectl("api-resources", "--api-group=build.dev", "--no-headers");
    expect(resources.stdout).toMatch(/^builds +build\.dev\/v1alpha1 +true +Build$/m);
    expect(resources.stdout).toMatch(/^buildtemplates +bt +build\.dev\/v1alpha1 +true +BuildTemplate$/m);
    const table = await kubectl("get", "builds,bt");
    expect(table.stdout).toMatch(/^NAME +SUCCEEDED +REASON +STARTED +COMPLETED +AGE$/m);
    expect(table.stdout).toMatch(/^build\.build\.dev\/pages +\d+s$/m);
    expect(table.stdout).toMatch(/^buildtemplate\.build\.dev\/hugo +_IMAGE,_BASE +\d+s$/m);
    const explained = await kubectl("explain", "build.spec.source.git");
    expect(explained.stdout).toMatch(/commit\t<string>\n +The commit: all its hexadecimal digits\./);
    expect((await kubectl("explain", "configuration.spec.build.template")).stdout).toContain("arguments");

    const broken = join(bench.dir, "broken.yaml");
    await writeFile(
      broken,
      "apiVersion: build.dev/v1alpha1\nkind: Build\nmetadata: {name: broken}\nspec: {source: {git: {url: 'https://git.example/a'}}, template: {}}\n",
    );
    const refused = await kubectl("apply", "-f", broken);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("spec.source.git: A git source says what to take: set commit, branch, tag or ref");
    expect(refused.stderr).toContain("spec.template.name: A template is named by its name");
  });
});
