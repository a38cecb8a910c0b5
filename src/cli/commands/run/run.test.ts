import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ApiStub, StubObject } from "../../../../test/support/api-stub.ts";
import {
  type CliHarness,
  corePath,
  elafrosPath,
  playControllers,
  startCli,
  testClock,
} from "../../../../test/support/cli.ts";
import { buildStatus, keepSources, playBuilds, putBuildPod, step } from "../../../../test/support/cli-builds.ts";
import { CancelledError } from "../../errors.ts";

/** Deletes what a Configuration owns with it, and gives its Revision a running instance. Returns what came over HTTP. */
function playOwnership(api: ApiStub, output: string): StubObject[] {
  const written: StubObject[] = [];
  api.onWrite((_path, object) => {
    written.push(structuredClone(object));
    if (object.kind !== "Configuration") return;
    const { name } = object.metadata;
    api.put(`${corePath}/pods`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `${name}-pod`, labels: { "elafros.dev/revision": `${name}-00001` } },
    });
  });
  api.intercept(({ method, url }) => {
    const [, name] = /\/configurations\/([^/?]+)$/.exec(url) ?? [];
    if (method === "DELETE" && name !== undefined) api.remove(`${elafrosPath}/routes/${name}`);
    if (!/\/pods\/run-[^/]+(?<!-00001)-pod\/log\?/.test(url)) return undefined;
    return { status: 200, type: "text/plain", body: output };
  });
  return written;
}

async function startRunning(...builds: Parameters<typeof playBuilds> extends [unknown, ...infer R] ? R : never) {
  const cli = await startCli();
  playControllers(cli.api);
  const written = playOwnership(cli.api, "listening\n");
  playBuilds(cli.api, ...builds);
  keepSources(cli.api);
  await mkdir(join(cli.cwd, "My App"));
  await writeFile(join(cli.cwd, "My App", "package.json"), JSON.stringify({ scripts: { start: "node ." } }));
  await mkdir(join(cli.cwd, "tmp"));
  return { cli, written };
}

/** Runs until the instance's output was printed, then interrupts it. */
async function interrupted(cli: CliHarness, argv: readonly string[]) {
  const stop = new AbortController();
  let printed = "";
  const output = (text: string) => {
    printed += text;
    if (printed.includes("listening\n")) stop.abort(new CancelledError("Cancelled"));
  };
  return cli.run(argv, { signal: stop.signal, output, env: { TMPDIR: join(cli.cwd, "tmp") } });
}

/** Names of what is left. */
function left(cli: CliHarness, written: readonly StubObject[]): string[] {
  return written
    .filter(({ kind }) => kind === "Configuration" || kind === "Route")
    .map(({ kind, metadata }) => `${elafrosPath}/${kind.toLowerCase()}s/${metadata.name}`)
    .filter((path) => cli.api.read(path) !== undefined);
}

describe("run", () => {
  it("run builds and runs a service for as long as it runs, and removes it at Ctrl-C", async () => {
    const { cli, written } = await startRunning();
    await using _ = cli;
    const result = await interrupted(cli, ["run", "--source", "My App", "--env", "A=1", "--port", "9000"]);
    const [configuration, route] = written;
    const name = configuration?.metadata.name ?? "";
    expect(name).toMatch(/^run-my-app-[0-9a-f]{6}$/);
    expect(result).toEqual({
      code: 130,
      stdout: `✓ Uploading [=================]
✓ Detected [node-24] runtime
✓ Building
✓ Starting
Running at https://${name}.default.mydomain.com until Ctrl-C
listening
✓ Removed
`,
      stderr: "Cancelled\n",
    });
    expect(configuration).toMatchObject({
      metadata: { annotations: { "elafros.dev/expires-at": expect.stringMatching(/^2018-01-19T12:2\d:/) } },
      spec: {
        build: { template: { name: "nodejs-24", arguments: [{ name: "_IMAGE", value: `localhost/default/${name}` }] } },
        revisionTemplate: {
          metadata: {
            annotations: { "autoscaling.elafros.dev/min-scale": "1", "autoscaling.elafros.dev/max-scale": "1" },
          },
          spec: { container: { env: [{ name: "A", value: "1" }], ports: [{ containerPort: 9000 }] } },
        },
      },
    });
    expect(route?.metadata["ownerReferences"]).toMatchObject([{ kind: "Configuration", name }]);
    expect(left(cli, written)).toEqual([]);
    expect(await readdir(join(cli.cwd, "tmp"))).toEqual([]);
    // It is no deploy: the directory remembers nothing.
    expect(await readdir(cli.cwd)).not.toContain(".elafros.json");
  });

  it("run takes another name where a second one runs in the directory", async () => {
    const { cli, written } = await startRunning();
    await using _ = cli;
    await interrupted(cli, ["run", "--source", "My App"]);
    const first = written[0]?.metadata.name ?? "";
    cli.api.put(`${elafrosPath}/configurations`, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      metadata: { name: first },
    });
    written.length = 0;
    await interrupted(cli, ["run", "--source", "My App"]);
    expect(written[0]?.metadata.name).toMatch(/^run-my-app-[0-9a-z]{5}$/);
    expect(left(cli, written)).toEqual([]);
  });

  it("run says why it can't be built, and leaves nothing", async () => {
    const message = 'Step "build" failed with error message: boom';
    const { cli, written } = await startRunning({
      states: [buildStatus({ status: "False", reason: "BuildStepFailed", message }, [step("build", 1)])],
    });
    await using _ = cli;
    cli.api.onWrite((_path, { kind, metadata }) => {
      if (kind === "Configuration") putBuildPod(cli.api, `${metadata.name}-00001`, { build: ["boom"] });
    });
    const result = await cli.run(["run", "--source", "My App"]);
    expect(result.code).toBe(1);
    expect(result.stdout).toContain("✗ Building\n✓ Removed\n");
    expect(result.stderr).toMatch(
      /^Error: Build "run-my-app-.*" failed: BuildStepFailed: .*boom\nLast lines of step \[build\]:\n {2}boom\n$/,
    );
    expect(left(cli, written)).toEqual([]);
  });

  it("run says why it can't be started, with its last lines, and leaves nothing", async () => {
    await using cli = await startCli();
    playControllers(cli.api, { fail: { reason: "ExitCode1", message: "Container failed with: boom" } });
    const written = playOwnership(cli.api, "starting\nboom\n");
    playBuilds(cli.api);
    keepSources(cli.api);
    await writeFile(join(cli.cwd, "server.js"), "");
    const result = await cli.run(["run"]);
    expect(result.code).toBe(1);
    expect(result.stdout).toContain("✗ Starting\n✓ Removed\n");
    expect(result.stderr).toBe(
      "Error: It can't be started: ExitCode1: Container failed with: boom\nLast lines of the container:\n  starting\n  boom\n",
    );
    expect(left(cli, written)).toEqual([]);
  });

  it("run moves the end on while it runs", async () => {
    const { cli, written } = await startRunning();
    await using _ = cli;
    const stop = new AbortController();
    const real = testClock();
    const clock = { ...real, after: (ms: number, callback: () => void) => real.after(ms / 1000, callback) };
    cli.api.onWrite(() => {
      const ends = written.map(
        ({ metadata }) => (metadata["annotations"] as Record<string, string>)?.["elafros.dev/expires-at"],
      );
      if (new Set(ends.filter((end) => end !== undefined)).size > 2) stop.abort(new CancelledError("Cancelled"));
    });
    const result = await cli.run(["run", "--source", "My App"], { signal: stop.signal, clock });
    expect(result.code).toBe(130);
    expect(left(cli, written)).toEqual([]);
  });
});
