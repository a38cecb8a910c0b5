import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CliHarness, elafrosPath, playControllers, startCli } from "../../../../test/support/cli.ts";
import { buildStatus, keepSources, playBuilds, putBuildPod, step } from "../../../../test/support/cli-builds.ts";
import type { Configuration } from "../../objects.ts";

const app = JSON.stringify({ scripts: { start: "node server.js" } });
const handler = "exports.index = (req, res) => res.send('hi');";

async function put(directory: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(directory, name, ".."), { recursive: true });
    await writeFile(join(directory, name), text);
  }
}

function configurationOf(cli: CliHarness): Configuration | undefined {
  return cli.api.read(`${elafrosPath}/configurations/my-service`) as Configuration | undefined;
}

/** A server that takes sources and builds them. */
async function startBuilding(...played: Parameters<typeof playBuilds> extends [unknown, ...infer R] ? R : never) {
  const cli = await startCli();
  playControllers(cli.api);
  playBuilds(cli.api, ...played);
  return { cli, sources: keepSources(cli.api) };
}

describe("deploy from source", () => {
  it("deploy wants a registry's name for what a cluster builds, before it sends anything", async () => {
    const { cli } = await startBuilding();
    await using _ = cli;
    cli.api.intercept(({ url }) => (url === "/version" ? { status: 200, body: { gitVersion: "v1.31.2" } } : undefined));
    await put(cli.cwd, { "package.json": app });
    expect(await cli.run(["deploy", "--service", "my-service"])).toEqual({
      code: 2,
      stdout: "",
      stderr:
        "Error: Image \"localhost/default/my-service\" can't be built on that cluster, which has no registry for it: name one with --image REGISTRY/NAME, or have an administrator run 'elafros install --build-registry'\n",
    });
    expect(cli.api.requests.filter(({ method }) => method !== "GET")).toEqual([]);
    // The installation's registry keeps it, where there is one.
    const data = { other: "x" };
    cli.api.put("/api/v1/namespaces/build-templates/configmaps", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "elafros-uploads" },
      data,
    });
    expect((await cli.run(["deploy", "--service", "my-service"])).code).toBe(0);
  });

  it("deploy builds the directory and prints each phase as the examples do", async () => {
    const { cli, sources } = await startBuilding();
    await using _ = cli;
    await put(cli.cwd, { "package.json": app, "server.js": "", "node_modules/x.js": "", ".gitignore": "node_modules" });
    const result = await cli.run(["deploy", "--service", "my-service"]);
    expect(result).toEqual({
      code: 0,
      stderr: "",
      stdout: `✓ Creating service [my-service] in region [us-central1]
Deploying app to service [my-service]:
✓ Uploading [=================]
✓ Detected [node-24] runtime
✓ Building
✓ Starting
✓ Promoting
Done.
Deployed to https://my-service.default.mydomain.com
`,
    });
    const [digest = ""] = sources.keys();
    expect(configurationOf(cli)?.spec.build).toEqual({
      source: { gcs: { location: `upload:${digest}`, type: "archive" } },
      template: {
        name: "nodejs-24",
        namespace: "build-templates",
        arguments: [{ name: "_IMAGE", value: "localhost/default/my-service" }],
      },
    });
    expect(configurationOf(cli)?.spec.revisionTemplate.spec.container.image).toBe("localhost/default/my-service");

    // Unchanged, it isn't sent again; changed, it is. What was changed otherwise stays.
    const again = await cli.run(["deploy", "--env", "A=1"]);
    expect(again.stdout).toBe(`Deploying app to service [my-service]:
✓ Detected [node-24] runtime
✓ Building
✓ Starting
✓ Promoting
Done.
Deployed to https://my-service.default.mydomain.com
`);
    expect(sources.size).toBe(1);
    await put(cli.cwd, { "server.js": "// changed" });
    const changed = await cli.run(["deploy", "--verbose"]);
    expect(changed.stdout).toContain("✓ Uploading [=================]\n");
    expect(changed.stdout).toContain('✓ Detected [node-24] runtime (package.json with "start")\n');
    expect(sources.size).toBe(2);
    expect(configurationOf(cli)?.spec.revisionTemplate.spec.container.env).toEqual([{ name: "A", value: "1" }]);
  });

  it("deploy --function builds a function, which takes one request at a time, until it is built as an app", async () => {
    const { cli } = await startBuilding();
    await using _ = cli;
    await put(cli.cwd, { "index.js": handler });
    const result = await cli.run(["deploy", "--function", "index", "--service", "my-service"]);
    expect(result.stdout).toContain("Deploying function to service [my-service]:\n✓ Uploading [=================]\n");
    expect(configurationOf(cli)?.spec.build?.template).toEqual({
      name: "nodejs-24-fn",
      namespace: "build-templates",
      arguments: [
        { name: "_IMAGE", value: "localhost/default/my-service" },
        { name: "_ENTRY_POINT", value: "index" },
      ],
    });
    const template = () => configurationOf(cli)?.spec.revisionTemplate;
    expect(template()?.metadata?.labels).toEqual({ "elafros.dev/type": "function" });
    expect(template()?.spec.concurrencyModel).toBe("SingleThreaded");

    expect((await cli.run(["deploy"])).stdout).toContain("Deploying function to service [my-service]:\n");
    expect(configurationOf(cli)?.spec.build?.template?.arguments).toContainEqual({
      name: "_ENTRY_POINT",
      value: "index",
    });

    await put(cli.cwd, { "package.json": app });
    expect((await cli.run(["deploy", "--source", "."])).stdout).toContain("Deploying app to service [my-service]:\n");
    expect(template()?.metadata?.labels).toEqual({});
    expect(template()?.spec.concurrencyModel).toBeUndefined();
  });

  it("deploy takes the entry point that is found, a template and its arguments that are named, and a destination", async () => {
    const { cli } = await startBuilding();
    await using _ = cli;
    await put(cli.cwd, { "app/index.js": handler });
    await cli.run(["deploy", "--service", "my-service", "--source", "app", "--function"]);
    expect(configurationOf(cli)?.spec.build?.template?.arguments).toContainEqual({
      name: "_ENTRY_POINT",
      value: "index",
    });

    const unknown = await cli.run(["deploy", "--source", "app", "--template", "mine"]);
    expect(unknown.stderr).toContain('There is no build template "mine"');
    cli.api.put("/apis/build.dev/v1alpha1/namespaces/default/buildtemplates", {
      apiVersion: "build.dev/v1alpha1",
      kind: "BuildTemplate",
      metadata: { name: "mine", namespace: "default" },
      spec: { parameters: [{ name: "A" }], steps: [] },
    });
    const argv = ["--source", "app", "--image", "registry.example/app", "--template", "mine", "--build-arg", "A=1"];
    const result = await cli.run(["deploy", ...argv]);
    expect(result.stdout).not.toContain("Detected");
    expect(configurationOf(cli)?.spec.build?.template).toEqual({
      name: "mine",
      arguments: [
        { name: "_IMAGE", value: "registry.example/app" },
        { name: "A", value: "1" },
      ],
    });
    expect(configurationOf(cli)?.spec.revisionTemplate.spec.container.image).toBe("registry.example/app");
    await cli.run(["deploy", "--build-arg", "A=2"]);
    expect(configurationOf(cli)?.spec.build?.template).toMatchObject({
      name: "mine",
      arguments: [{ value: "registry.example/app" }, { value: "2" }],
    });
  });

  it("deploy refuses a --build-arg that the template doesn't read, and says what it reads", async () => {
    const { cli, sources } = await startBuilding();
    await using _ = cli;
    const putTemplate = (name: string, namespace: string, spec: object) =>
      cli.api.put(`/apis/build.dev/v1alpha1/namespaces/${namespace}/buildtemplates`, {
        apiVersion: "build.dev/v1alpha1",
        kind: "BuildTemplate",
        metadata: { name, namespace },
        spec,
      });
    putTemplate("dockerfile", "build-templates", {
      parameters: [{ name: "_IMAGE" }, { name: "_BUILD_ARGS" }],
      steps: [{ image: "x", args: ["${UNDECLARED}"] }],
    });
    putTemplate("dockerfile", "default", { steps: [] });
    await put(cli.cwd, { Dockerfile: "FROM scratch" });
    const deploy = (...argv: string[]) => cli.run(["deploy", "--service", "my-service", "--source", ".", ...argv]);
    expect(await deploy("--build-arg", "VERSION=2")).toMatchObject({
      code: 2,
      stderr:
        'Error: --build-arg VERSION: build template "dockerfile" has no parameter "VERSION": it has _IMAGE, _BUILD_ARGS. ARG VERSION of the Dockerfile is set by --build-arg _BUILD_ARGS=VERSION=2\n',
    });
    const own = await deploy("--template", "dockerfile", "--build-arg", "VERSION=2");
    expect(own.stderr).toContain('build template "dockerfile" has no parameter "VERSION": it has none\n');
    expect(sources.size).toBe(0);
    expect(await deploy("--build-arg", "_BUILD_ARGS=VERSION=2", "--build-arg", "UNDECLARED=1")).toMatchObject({
      code: 0,
    });
  });

  it("deploy --image after a source builds nothing any more, and keeps what a build was told otherwise", async () => {
    const { cli } = await startBuilding();
    await using _ = cli;
    await put(cli.cwd, { "package.json": app });
    await cli.run(["deploy", "--service", "my-service"]);
    const built = configurationOf(cli);
    cli.api.put(`${elafrosPath}/configurations`, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      metadata: { name: "my-service", namespace: "default" },
      spec: {
        build: { ...built?.spec.build, timeout: "20m" },
        revisionTemplate: { spec: { ...built?.spec.revisionTemplate.spec, buildName: "my-service-00001" } },
      },
    });
    await cli.run(["deploy"]);
    expect(configurationOf(cli)?.spec.build?.timeout).toBe("20m");
    expect(configurationOf(cli)?.spec.revisionTemplate.spec.buildName).toBeUndefined();
    const result = await cli.run(["deploy", "--image", "i:1"]);
    expect(result.stdout).not.toContain("Building");
    expect(configurationOf(cli)?.spec).not.toHaveProperty("build");
    expect((await cli.run(["deploy"])).stdout).not.toContain("Building");
  });

  it("deploy says which build made the image where nothing is built", async () => {
    const { cli } = await startBuilding({ reuse: "my-service-00000" });
    await using _ = cli;
    await put(cli.cwd, { "package.json": app });
    const { stdout } = await cli.run(["deploy", "--service", "my-service"]);
    expect(stdout).not.toContain("✓ Building");
    expect(stdout).toContain("✓ Reusing build [my-service-00000]\n✓ Starting\n");
  });

  it("deploy tells why a build failed, with the failing step's last lines, and what goes on serving", async () => {
    const message = 'Step "build" failed with error message: boom';
    const { cli } = await startBuilding({
      states: [
        buildStatus({ status: "Unknown", reason: "Building", message: "Waiting for 2 builds before it" }),
        buildStatus({ status: "Unknown", reason: "Building" }, [step("source", 0), step("build")]),
        buildStatus({ status: "False", reason: "BuildStepFailed", message }, [step("source", 0), step("build", 1)]),
      ],
    });
    await using _ = cli;
    const many = Array.from({ length: 30 }, (_line, index) => `line ${index + 1}`);
    putBuildPod(cli.api, "my-service-00001", { source: ["fetched"], build: many });
    await put(cli.cwd, { "package.json": app });
    const result = await cli.run(["deploy", "--service", "my-service"]);
    expect(result.code).toBe(1);
    expect(result.stdout.split("\n").slice(1)).toEqual([
      "Deploying app to service [my-service]:",
      "✓ Uploading [=================]",
      "✓ Detected [node-24] runtime",
      "✗ Building",
      "",
    ]);
    expect(result.stderr).toBe(`Waiting for 2 builds before it
Error: Build "my-service-00001" failed: BuildStepFailed: ${message}
Last lines of step [build]:
${many
  .slice(-20)
  .map((line) => `  ${line}`)
  .join("\n")}
Service [my-service] serves nothing yet. Mend it and deploy again.
`);
  });

  it("deploy --verbose prints what the steps write, above what goes on", async () => {
    const { cli } = await startBuilding({
      states: [
        buildStatus({ status: "Unknown", reason: "Building" }, [step("source", 0), step("build")]),
        buildStatus({ status: "True" }, [step("source", 0), step("build", 0)]),
      ],
    });
    await using _ = cli;
    putBuildPod(cli.api, "my-service-00001", { source: ["fetched \u001B[2J"], build: ["installed"] });
    await put(cli.cwd, { "package.json": app });
    const piped = await cli.run(["deploy", "--service", "my-service", "--verbose"]);
    expect(piped.stdout).toContain("  [source] fetched [2J\n  [build] installed\n✓ Building\n");

    putBuildPod(cli.api, "my-service-00002", { source: [], build: [] });
    await writeFile(join(cli.cwd, "large"), randomBytes(3_000_000));
    const terminal = await cli.run(["deploy"], { terminal: true });
    expect(terminal.stdout).toContain('Detected [node-24] runtime\u001B[2m (package.json with "start")\u001B[0m\n');
    expect(terminal.stdout).toContain("Uploading [>                ]\r");
    expect(terminal.stdout).toMatch(/Uploading \[=+>? *\] \d+% of 2\.9 MiB/);
    expect(terminal.stdout).toContain("Building: step 2 of 2 [build]");
    expect(terminal.stdout).toContain("\r\u001B[K\u001B[32m✓\u001B[0m Building\n");
  });

  it("deploy puts the commit of what is built on the revision, and whether it is all that is built", async () => {
    const { cli } = await startBuilding();
    await using _ = cli;
    const git = (...words: string[]) =>
      execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...words], {
        cwd: join(cli.cwd, "app"),
        encoding: "utf8",
      }).trim();
    await put(cli.cwd, { "app/package.json": app });
    git("init", "-q");
    git("add", ".");
    git("commit", "-q", "-m", "x");
    const annotations = () => configurationOf(cli)?.spec.revisionTemplate.metadata?.annotations;
    await cli.run(["deploy", "--service", "my-service", "--source", "app"]);
    const commit = git("rev-parse", "HEAD");
    expect(annotations()).toMatchObject({ "elafros.dev/git-commit": commit, "elafros.dev/git-dirty": "false" });
    await put(cli.cwd, { "app/new.js": "" });
    await cli.run(["deploy"]);
    expect(annotations()).toMatchObject({ "elafros.dev/git-commit": commit, "elafros.dev/git-dirty": "true" });
    await rm(join(cli.cwd, "app/.git"), { recursive: true });
    await cli.run(["deploy"]);
    expect(Object.keys(annotations() ?? {})).toEqual(["elafros.dev/deployed-at"]);
  });

  it("deploy of what nothing fits says what was seen and what to do, and writes nothing", async () => {
    const { cli } = await startBuilding();
    await using _ = cli;
    await put(cli.cwd, { "a/main.rs": "" });
    const implied = await cli.run(["deploy", "--service", "my-service"]);
    expect(implied.code).toBe(2);
    expect(implied.stderr).toContain(
      "Give an image with --image IMAGE, or a source with --source DIR|ARCHIVE|GIT-URL.",
    );
    expect(implied.stderr).toContain("there is a/");
    const named = await cli.run(["deploy", "--service", "my-service", "--source", "a"]);
    expect(named.code).toBe(1);
    expect(named.stderr).toContain("Cannot tell how to build this app: there is main.rs.");
    const missing = await cli.run(["deploy", "--service", "my-service", "--source", "b"]);
    expect(missing).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--source "b" isn\'t there: give a directory'),
    });
    expect(cli.api.requests.filter((request) => request.method !== "GET")).toEqual([]);
  });

  it("deploy whose source the server refuses leaves no half service behind, and nothing on this machine", async () => {
    await using cli = await startCli();
    playControllers(cli.api);
    cli.api.intercept(({ method, url }) =>
      url.includes("/sources/")
        ? { status: method === "HEAD" ? 404 : 413, body: { kind: "Status", code: 413, message: "the limit is 1 KiB" } }
        : undefined,
    );
    await put(cli.cwd, { "package.json": app });
    const place = join(cli.cwd, "tmp");
    await mkdir(place);
    const result = await cli.run(["deploy", "--service", "my-service"], { env: { TMPDIR: place } });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("too large for the server (the limit is 1 KiB)");
    expect(cli.api.read(`${elafrosPath}/routes/my-service`)).toBeUndefined();
    expect(configurationOf(cli)).toBeUndefined();
    expect(await readdir(place)).toEqual([]);
  });
});
