/** Builds on a whole platform, by its API alone: from a Configuration with `build` to an answer; and what ends one early. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasKubectl } from "../support/kubectl.ts";
import { eventually } from "../support/platform.ts";
import {
  answers,
  expectOk,
  hostOf,
  jsonBody,
  mergePatch,
  pathOf,
  routeBody,
  type Stage,
  startStage,
} from "../support/stage.ts";

const builds = "/apis/build.dev/v1alpha1/namespaces/default";

interface Seen {
  metadata: { name: string; uid: string };
  spec: { buildName?: string };
  status?: {
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    imageDigest?: string;
    stepsCompleted?: string[];
    buildLogsLink?: string;
    latestCreatedRevisionName?: string;
  };
}

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
  const template = {
    apiVersion: "build.dev/v1alpha1",
    kind: "BuildTemplate",
    metadata: { name: "sample-app", annotations: { "build.dev/base-images": "${_BASE}" } },
    spec: {
      parameters: [
        { name: "_IMAGE" },
        { name: "_BASE", default: stage.images["app:1"] },
        { name: "_FIRST", default: "true" },
      ],
      steps: [
        { name: "first", image: "elafros.dev/tools", command: ["sh", "-c"], args: ["${_FIRST}"] },
        {
          name: "image",
          image: "elafros.dev/tools",
          command: ["sh", "-c"],
          args: [
            "printf 'FROM %s\\nENV VERSION=%s\\n' ${_BASE} \"$(cat version)\" > Dockerfile && buildah bud -t made . && buildah push made oci:/builder/image",
          ],
        },
      ],
    },
  };
  expectOk(await stage.platform.call("POST", `${builds}/buildtemplates`, JSON.stringify(template), jsonBody));
});
afterAll(() => stage.close());

/** A service whose source says its version. */
async function deploy(
  name: string,
  version: string,
  first = "true",
  image = `localhost/default/${name}`,
): Promise<void> {
  const source = {
    custom: {
      image: "elafros.dev/tools",
      command: ["sh", "-c"],
      args: ["echo ${VERSION} > version"],
      env: [{ name: "VERSION", value: version }],
    },
  };
  const args = [
    { name: "_IMAGE", value: image },
    { name: "_FIRST", value: first },
  ];
  const configuration = {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name },
    spec: {
      build: { source, template: { name: "Sample_App", arguments: args } },
      revisionTemplate: { spec: { container: { image } } },
    },
  };
  const { platform } = stage;
  const known = (await platform.call("GET", pathOf("configurations", name))).status === 200;
  if (known) {
    const patch = JSON.stringify({ spec: configuration.spec });
    return expectOk(await platform.call("PATCH", pathOf("configurations", name), patch, mergePatch));
  }
  expectOk(await platform.call("POST", pathOf("configurations"), JSON.stringify(configuration), jsonBody));
  const route = routeBody(name, [{ configurationName: name, percent: 100 }]);
  return expectOk(await platform.call("POST", pathOf("routes"), route, jsonBody));
}

const get = async (path: string) => (await stage.platform.json("GET", path)) as Seen;
const build = (name: string) => get(`${builds}/builds/${name}`);
const listed = async (path: string, prefix: string) =>
  ((await stage.platform.json("GET", path)) as { items: Seen[] }).items.filter(({ metadata }) =>
    metadata.name.startsWith(`${prefix}-`),
  );
const condition = ({ status }: Seen, type: string) => status?.conditions?.find((one) => one.type === type);

async function has(
  path: string,
  wanted: { type: string; status: string; reason?: string; message?: string },
): Promise<void> {
  await eventually(
    `${path}: ${JSON.stringify(wanted)}`,
    async () => {
      const seen = condition(await get(path), wanted.type);
      if (seen?.status === wanted.status && (wanted.reason ?? seen.reason) === seen.reason) return true;
      throw new Error(JSON.stringify(seen));
    },
    { timeoutMs: 90_000 },
  );
}

describe("a service from source", () => {
  test("is built, and runs the digest that came out", async () => {
    await deploy("hello", "first");
    await eventually(
      "its Pod is there",
      async () => (await listed("/api/v1/namespaces/default/pods", "hello")).length > 0,
    );
    // Before the step has begun, and to its end.
    const log = "/api/v1/namespaces/default/pods/hello-00001-build/log?container=image";
    const followed = stage.platform.call("GET", `${log}&follow=true`);
    await answers(stage.platform, "hello", 120_000);
    expect((await stage.platform.ask(hostOf("hello"))).text).toContain("Hello World from first");
    const [made, revision] = [await build("hello-00001"), await get(pathOf("revisions", "hello-00001"))];
    expect(revision.spec.buildName).toBe("hello-00001");
    expect(made.status?.imageDigest).toMatch(/^localhost\/default\/hello@sha256:[0-9a-f]{64}$/);
    expect(revision.status?.imageDigest).toBe(made.status?.imageDigest);
    expect(condition(revision, "BuildComplete")?.status).toBe("True");
    expect(made.status?.stepsCompleted).toEqual(["source", "first", "image"]);

    const logs = await followed;
    expect(logs.text).toContain("COMMIT made");
    expect((await stage.platform.call("GET", log)).text).toBe(logs.text);
    const printed = await stage.platform.elafros(["builds", "logs", "hello-00001"]);
    expect(printed.stdout, printed.stderr).toContain("COMMIT made");
    expect((await stage.platform.elafros(["builds", "list"])).stdout).toContain("hello-00001");
    expect((await stage.platform.call("GET", made.status?.buildLogsLink ?? "")).text).toContain("COMMIT made");
  });

  test.skipIf(!hasKubectl())("is shown by kubectl, with its logs", async () => {
    const logs = await stage.platform.kubectl(["logs", "hello-00001-build", "-c", "image"]);
    expect(logs.stdout, logs.stderr).toContain("COMMIT made");
    const pods = await stage.platform.kubectl(["get", "pods", "-l", "build.dev/buildName=hello-00001"]);
    expect(pods.stdout).toMatch(/hello-00001-build +0\/3 +Completed/);
    const table = await stage.platform.kubectl(["get", "builds,bt"]);
    expect(table.stdout).toMatch(/build\.build\.dev\/hello-00001 +True/);
    expect(table.stdout).toMatch(/buildtemplate\.build\.dev\/sample-app +_IMAGE,_BASE,_FIRST/);
  });

  test("tells the failing step's last line, serves on, and is built again with the next change", async () => {
    await deploy("hello", "second", "echo looking; echo no such file: package.json; exit 3");
    const message = 'Step "first" failed with error message: no such file: package.json';
    await has(`${builds}/builds/hello-00002`, { type: "Succeeded", status: "False", reason: "BuildStepFailed" });
    await has(pathOf("configurations", "hello"), { type: "Ready", status: "False", reason: "BuildFailed" });
    expect(condition(await get(pathOf("configurations", "hello")), "Ready")?.message).toBe(message);
    expect((await stage.platform.ask(hostOf("hello"))).text).toContain("Hello World from first");
    await deploy("hello", "third");
    await eventually(
      "the third answers",
      async () => (await stage.platform.ask(hostOf("hello"))).text.includes("from third"),
      {
        timeoutMs: 90_000,
      },
    );
  });

  test("says what is missing where there is no such template", async () => {
    const body = {
      apiVersion: "build.dev/v1alpha1",
      kind: "Build",
      metadata: { name: "no-template" },
      spec: { template: { name: "cobol_60", namespace: "build-templates" } },
    };
    expectOk(await stage.platform.call("POST", `${builds}/builds`, JSON.stringify(body), jsonBody));
    await has(`${builds}/builds/no-template`, { type: "Succeeded", status: "False", reason: "BuildValidationFailed" });
    expect(condition(await build("no-template"), "Succeeded")?.message).toMatch(
      /^TemplateMissing: there is no BuildTemplate "cobol-60" in namespace build-templates/,
    );
  });

  test("isn't built further where its Build is cancelled, or deleted", async () => {
    await deploy("stopped", "1", "sleep 600");
    await has(`${builds}/builds/stopped-00001`, { type: "Succeeded", status: "Unknown" });
    await eventually(
      "the first step runs",
      async () => (await build("stopped-00001")).status?.stepsCompleted?.includes("source"),
      {
        timeoutMs: 60_000,
      },
    );
    const patch = JSON.stringify({ spec: { status: "BuildCancelled" } });
    expectOk(await stage.platform.call("PATCH", `${builds}/builds/stopped-00001`, patch, mergePatch));
    await has(`${builds}/builds/stopped-00001`, { type: "Succeeded", status: "False", reason: "BuildCancelled" });
    await has(pathOf("revisions", "stopped-00001"), { type: "Ready", status: "False", reason: "BuildFailed" });

    await deploy("stopped", "2", "sleep 601");
    await eventually(
      "the first step runs",
      async () => (await build("stopped-00002")).status?.stepsCompleted?.includes("source"),
      {
        timeoutMs: 60_000,
      },
    );
    expectOk(await stage.platform.call("DELETE", `${builds}/builds/stopped-00002`));
    await has(pathOf("revisions", "stopped-00002"), { type: "BuildComplete", status: "False", reason: "BuildMissing" });
    await eventually("nothing is left of it", async () => {
      const pods = await listed("/api/v1/namespaces/default/pods", "stopped-00002");
      return pods.length === 0;
    });
  });

  test("is built once where control is killed meanwhile", async () => {
    await deploy("killed", "1", "sleep 4");
    await eventually(
      "the first step runs",
      async () => (await build("killed-00001")).status?.stepsCompleted?.includes("source"),
      {
        timeoutMs: 60_000,
      },
    );
    const { uid } = (await build("killed-00001")).metadata;
    const pid = await stage.platform.pid("control");
    process.kill(pid, "SIGKILL");
    await answers(stage.platform, "killed", 120_000);
    expect((await listed(`${builds}/builds`, "killed")).map(({ metadata }) => metadata.uid)).toEqual([uid]);
    expect((await listed(pathOf("revisions"), "killed")).map(({ metadata }) => metadata.name)).toEqual([
      "killed-00001",
    ]);
    expect((await get(pathOf("revisions", "killed-00001"))).status?.imageDigest).toBe(
      (await build("killed-00001")).status?.imageDigest,
    );
  });

  test("runs its own build's image where two were built to one tag at once", async () => {
    const tag = "localhost/default/shared:latest";
    await Promise.all([deploy("one", "one", "sleep 1", tag), deploy("two", "two", "sleep 1", tag)]);
    for (const name of ["one", "two"]) {
      await answers(stage.platform, name, 120_000);
      expect((await stage.platform.ask(hostOf(name))).text).toContain(`Hello World from ${name}`);
    }
  });
});
