import { describe, expect, it } from "vitest";
import { buildPath, type CliHarness, corePath, elafrosPath, startCli } from "../../../../test/support/cli.ts";
import type { StubObject } from "../../../../test/support/api-stub.ts";
import { CancelledError } from "../../errors.ts";

const ran = (exitCode: number) => ({ terminated: { exitCode } });

function putBuild(cli: CliHarness, name: string, status: object, more: object = {}): StubObject {
  return cli.api.put(`${buildPath}/builds`, {
    apiVersion: "build.dev/v1alpha1",
    kind: "Build",
    metadata: { name, namespace: "default", labels: { "elafros.dev/configuration": "hello" }, ...more },
    spec: { source: { gcs: { location: "upload:sha256:1" } }, template: { name: "nodejs-24" } },
    status,
  });
}

function condition(status: string, reason?: string, message?: string): object {
  return { conditions: [{ type: "Succeeded", status, reason, message }] };
}

function putPod(cli: CliHarness, build: string): void {
  cli.api.put(`${corePath}/pods`, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `${build}-pod`, labels: { "build.dev/buildName": build } },
  });
  cli.api.intercept(({ url }) => {
    const [, container] = new RegExp(`/pods/${build}-pod/log\\?.*container=([a-z]+)`).exec(url) ?? [];
    if (container === undefined) return undefined;
    return { status: 200, type: "text/plain", body: `${container} 1\n${container} \u001B[2J2\n` };
  });
}

const failed = {
  ...condition("False", "BuildStepFailed", 'Step "build" failed with error message: boom'),
  startTime: "2018-01-19T12:16:00Z",
  completionTime: "2018-01-19T12:16:42Z",
  stepStates: [
    { name: "source", state: ran(0) },
    { name: "build", state: ran(1) },
    { name: "push", state: { waiting: {} } },
  ],
};

describe("builds", () => {
  it("builds list shows how each is, and those of a service", async () => {
    await using cli = await startCli();
    putBuild(cli, "hello-00001", failed);
    putBuild(cli, "hello-00002", {
      ...condition("True"),
      startTime: "2018-01-19T12:16:00Z",
      completionTime: "2018-01-19T12:19:10Z",
    });
    putBuild(cli, "hello-00003", condition("Unknown", "Building", "Waiting for 2 builds before it"));
    putBuild(cli, "other", condition("True"), { labels: {} });
    const { stdout } = await cli.run(["builds", "list", "--service", "hello"]);
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 5).join("|"))).toEqual([
      "Name|Service|State|Template|Duration",
      "hello-00001|hello|BuildStepFailed|nodejs-24|42s",
      "hello-00002|hello|Succeeded|nodejs-24|3m",
      expect.stringMatching(/^hello-00003\|hello\|Waiting\|nodejs-24\|/),
      "",
    ]);
    expect((await cli.run(["builds", "list", "-o", "name"])).stdout).toContain("build.build.dev/other\n");
    expect((await cli.run(["builds", "list", "-n", "empty"])).stderr).toBe('No builds found in namespace "empty".\n');
  });

  it("builds describe shows steps, problem and what it does now", async () => {
    await using cli = await startCli();
    const source = { archive: "upload:sha256:ab", context: "sha256:ab" };
    putBuild(cli, "hello-00001", { ...failed, source });
    const { stdout } = await cli.run(["builds", "describe", "hello-00001"]);
    expect(stdout).toContain("Source:       upload:sha256:ab\n");
    expect(stdout).toContain('Problem:      BuildStepFailed: Step "build" failed with error message: boom');
    expect(stdout).toContain(
      "Steps:        source done\n              build failed with exit code 1\n              push waits\n",
    );
    putBuild(cli, "hello-00002", {
      ...condition("Unknown", "Building"),
      startTime: "2018-01-19T12:16:00Z",
      stepStates: [
        { name: "source", state: ran(0) },
        { name: "build", state: { running: {} } },
      ],
    });
    expect((await cli.run(["builds", "describe", "hello-00002"])).stdout).toContain(
      "Now:          step 2 of 2 [build]",
    );
  });

  it("builds describe finds the build of a revision's Id", async () => {
    await using cli = await startCli();
    putBuild(cli, "hello-00001", failed);
    for (const [generation, spec] of [
      [1, { buildName: "hello-00001" }],
      [2, { container: { image: "i" } }],
    ] as const) {
      cli.api.put(`${elafrosPath}/revisions`, {
        apiVersion: "elafros.dev/v1alpha1",
        kind: "Revision",
        metadata: {
          name: `hello-0000${generation}`,
          labels: { "elafros.dev/configuration": "hello" },
          annotations: { "elafros.dev/configurationGeneration": String(generation) },
        },
        spec,
      });
    }
    const found = await cli.run(["builds", "describe", "v1", "--service", "hello", "-o", "name"]);
    expect(found.stdout).toBe("build.build.dev/hello-00001\n");
    const none = await cli.run(["builds", "describe", "v2", "--service", "hello"]);
    expect(none.stderr).toBe('Error: Revision "hello-00002" was not built: its image "i" was given\n');
  });

  it("builds logs prints the steps that have begun, of the newest build of the service", async () => {
    await using cli = await startCli();
    putBuild(cli, "hello-00002", failed, { creationTimestamp: "2018-01-19T12:17:00Z" });
    putBuild(cli, "hello-00001", failed, { creationTimestamp: "2018-01-19T12:16:00Z" });
    putPod(cli, "hello-00002");
    const all = await cli.run(["builds", "logs", "--service", "hello"], { terminal: true });
    expect(all).toEqual({
      code: 0,
      stdout: "[source] source 1\n[source] source [2J2\n[build] build 1\n[build] build [2J2\n",
      stderr: "",
    });
    const one = await cli.run(["builds", "logs", "hello-00002", "--step", "build", "--tail", "2"]);
    expect(one.stdout).toBe("build 1\nbuild \u001B[2J2\n");
    expect(cli.api.requests.at(-1)?.url).toContain("container=build");
    expect(cli.api.requests.at(-1)?.url).toContain("tailLines=2");
  });

  it("builds logs says what isn't there", async () => {
    await using cli = await startCli();
    expect((await cli.run(["builds", "logs"])).stderr).toContain("No build is given: name it, or the service");
    expect((await cli.run(["builds", "logs", "--service", "hello"])).stderr).toContain(
      'Service "hello" has no builds: deploy it from source',
    );
    putBuild(cli, "hello-00001", failed);
    expect((await cli.run(["builds", "logs", "hello-00001"])).stderr).toContain(
      'The output of build "hello-00001" isn\'t there',
    );
    const step = await cli.run(["builds", "logs", "hello-00001", "--step", "test"]);
    expect(step.stderr).toBe('Error: Build "hello-00001" has no step "test": it has source, build, push\n');
  });

  it("builds logs -f follows each step as it begins, to the end, and fails with the build", async () => {
    await using cli = await startCli();
    putBuild(cli, "hello-00001", condition("Unknown", "Building"));
    // The first step begins once somebody waits for it, and the build ends after the first step was read.
    const afterwards = [
      {
        sign: /\/builds\?.*watch=true/,
        status: { ...condition("Unknown"), stepStates: failed.stepStates.slice(0, 1) },
      },
      { sign: /container=source/, status: failed },
    ];
    cli.api.intercept(({ url }) => {
      const { sign, status } = afterwards[0] ?? {};
      if (sign?.test(url) !== true || status === undefined) return undefined;
      afterwards.shift();
      setTimeout(() => putBuild(cli, "hello-00001", status), 20);
      return undefined;
    });
    putPod(cli, "hello-00001");
    expect(await cli.run(["builds", "logs", "hello-00001", "-f"])).toEqual({
      code: 1,
      stdout: "[source] source 1\n[source] source \u001B[2J2\n[build] build 1\n[build] build \u001B[2J2\n",
      stderr: 'Error: Build "hello-00001" failed: BuildStepFailed: Step "build" failed with error message: boom\n',
    });
  });

  it("builds logs -f ends with 130 where it is interrupted", async () => {
    await using cli = await startCli();
    putBuild(cli, "hello-00001", condition("Unknown", "Building"));
    const stop = new AbortController();
    cli.api.intercept(({ url }) => {
      if (/\/builds\?.*watch=true/.test(url)) stop.abort(new CancelledError("Cancelled"));
      return undefined;
    });
    const result = await cli.run(["builds", "logs", "hello-00001", "-f"], { signal: stop.signal });
    expect(result).toEqual({ code: 130, stdout: "", stderr: "Cancelled\n" });
  });

  it("builds cancel asks for it and waits until the build has ended", async () => {
    await using cli = await startCli();
    putBuild(cli, "hello-00001", condition("Unknown", "Building"));
    cli.api.onWrite((path, object) => {
      expect(object["spec"]).toMatchObject({ status: "BuildCancelled" });
      cli.api.put(path.replace(/\/[^/]*$/, ""), { ...object, status: condition("False", "BuildCancelled", "x") });
    });
    expect(await cli.run(["builds", "cancel", "hello-00001"])).toEqual({
      code: 0,
      stdout: "✓ Cancelled build [hello-00001]\n",
      stderr: "",
    });
    const again = await cli.run(["builds", "cancel", "hello-00001"]);
    expect(again).toEqual({
      code: 0,
      stdout: "",
      stderr: 'Build "hello-00001" has ended already: BuildCancelled: x\n',
    });
  });

  it("builds delete deletes", async () => {
    await using cli = await startCli();
    putBuild(cli, "hello-00001", failed);
    expect((await cli.run(["builds", "delete", "hello-00001"])).stdout).toBe("✓ Deleted build [hello-00001]\n");
    expect(cli.api.read(`${buildPath}/builds/hello-00001`)).toBeUndefined();
  });
});
