/** The CLI's commands about builds on a whole platform: real builds, real containers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { elafros, eventually, type TestPlatform } from "../support/platform.ts";
import { startBuildingPlatform } from "../support/stand-ins.ts";

const configurations = "/apis/elafros.dev/v1alpha1/namespaces/default/configurations";
const merge = { "content-type": "application/merge-patch+json" };

const server = (word: string) => `const { createServer } = require("node:http");
createServer((request, response) => {
  console.log(request.method, request.url);
  response.end("${word} " + request.url);
}).listen(process.env.PORT, () => console.log("listening"));
process.on("SIGTERM", () => process.exit(0));
`;

let platform: TestPlatform;
let home: string;
beforeAll(async () => {
  platform = await startBuildingPlatform();
  home = await mkdtemp(join(tmpdir(), "elafros-cli-builds-"));
});
afterAll(async () => {
  await platform.purge();
  await rm(home, { recursive: true, force: true });
});

/** A directory with files in it. */
async function directory(name: string, files: Record<string, string> = {}): Promise<string> {
  const path = join(home, name);
  await mkdir(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}

const app = (word: string) => ({
  "package.json": '{"scripts": {"start": "node server.js"}}',
  "server.js": server(word),
});

/** `elafros run` as a process, once it serves. */
async function startRunning(cwd: string) {
  const env = { ...process.env, KUBECONFIG: platform.kubeconfig };
  const child = spawn(elafros, ["run"], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const url = await eventually("it runs", () => Promise.resolve(/Running at (\S+) until/.exec(output)?.[1]), {
    timeoutMs: 100_000,
  });
  return { child, exited, output: () => output, host: new URL(url).hostname };
}

async function names(kind: string): Promise<string> {
  return (await platform.elafros([kind, "list", "-o", "name"])).stdout;
}

describe("deploy from source", () => {
  test("builds a directory, and again only what has changed", async () => {
    const cwd = await directory("hello", app("one"));
    const first = await platform.elafros(["deploy", "--service", "hello"], { cwd });
    expect(first).toEqual({
      code: 0,
      stderr: "",
      stdout: `✓ Creating service [hello] in region [local]
Deploying app to service [hello]:
✓ Uploading [=================]
✓ Detected [node-24] runtime
✓ Building
✓ Starting
✓ Promoting
Done.
Deployed to http://hello.default.localhost:${platform.httpPort}
`,
    });
    const again = await platform.elafros(["deploy", "--env", "A=1"], { cwd });
    expect(again.stdout).toContain("✓ Detected [node-24] runtime\n✓ Reusing build [hello-00001]\n✓ Starting\n");

    await directory("hello", app("two"));
    const changed = await platform.elafros(["deploy", "--verbose"], { cwd });
    expect(changed.stdout).toMatch(
      /✓ Detected \[node-24\] runtime \(package\.json with "start"\)\n {2}\[source\] .*\n {2}\[build\] /,
    );
    expect(await platform.elafros(["invoke", "--path", "/x"], { cwd })).toEqual({
      code: 0,
      stdout: "two /x",
      stderr: "HTTP 200 OK\n",
    });
    const logs = await platform.elafros(["builds", "logs", "v1"], { cwd });
    expect(logs.stdout).toMatch(/^\[source\] .*\n(\[build\] .*\n)+$/);
    expect((await platform.elafros(["builds", "describe", "v3"], { cwd })).stdout).toMatch(
      /State: +Succeeded\n(.*\n)*Image: +localhost\/default\/hello@sha256:/,
    );
  });

  test("says why a build failed, and goes on serving what served", async () => {
    const cwd = await directory("fails", app("good"));
    await platform.elafros(["deploy", "--service", "fails"], { cwd });
    await directory("fails", {
      Dockerfile: "FROM localhost/elafros/node-run\nRUN echo before && echo boom >&2 && exit 3\n",
    });
    const failed = await platform.elafros(["deploy"], { cwd });
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain("✓ Detected [dockerfile] runtime\n✗ Building\n");
    expect(failed.stderr).toMatch(
      /^Error: Build "fails-00002" failed: BuildStepFailed: Step "build" failed with error message: /,
    );
    expect(failed.stderr).toMatch(/Last lines of step \[build\]:\n(.*\n)* {2}boom\n/);
    expect(failed.stderr).toContain("The traffic was not changed: service [fails] goes on with fails-00001.\n");
    expect((await platform.elafros(["invoke"], { cwd })).stdout).toBe("good /");
  });

  test("follows and cancels a build", async () => {
    const cwd = await directory("slow", {
      Dockerfile: "FROM localhost/elafros/node-run\nRUN echo begun && sleep 100\n",
    });
    await platform.elafros(["deploy", "--service", "slow", "--no-wait"], { cwd });
    const following = platform.elafros(["builds", "logs", "-f"], { cwd });
    await eventually("the step has begun", async () =>
      (await platform.elafros(["builds", "logs"], { cwd })).stdout.includes("[build] begun\n"),
    );
    expect((await platform.elafros(["builds", "cancel", "v1"], { cwd })).stdout).toBe(
      "✓ Cancelled build [slow-00001]\n",
    );
    const followed = await following;
    expect(followed).toMatchObject({ code: 1, stdout: expect.stringContaining("[build] begun\n") });
    expect(followed.stderr).toContain('Build "slow-00001" failed: BuildCancelled');
  });

  test("deploys a new function, which takes requests and events", async () => {
    await platform.elafros(["functions", "new", "greet"], { cwd: home });
    const cwd = join(home, "greet");
    const deployed = await platform.elafros(["deploy"], { cwd });
    expect(deployed.stdout).toContain("Deploying function to service [greet]:\n");
    expect((await platform.elafros(["invoke", "--path", "/?name=you"], { cwd })).stdout).toBe("Hello you\n");
    await writeFile(
      join(cwd, "index.js"),
      `import functions from "@google-cloud/functions-framework";
functions.cloudEvent("index", (event) => console.log("event", event.type, event.id, event.data.a));\n`,
    );
    await platform.elafros(["deploy"], { cwd });
    const event = ["invoke", "--event", "com.example.x", "--event-id", "7", "--data", '{"a": 42}'];
    expect(await platform.elafros(event, { cwd })).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^HTTP 20\d/),
    });
    await eventually("the event was handled", async () =>
      (await platform.elafros(["logs"], { cwd })).stdout.includes("event com.example.x 7 42"),
    );
    expect(await names("services")).toContain("service/greet");
    expect((await platform.elafros(["services", "list", "--type", "function", "-o", "name"])).stdout).toBe(
      "service/greet\n",
    );
  });
});

describe("run", () => {
  test("serves with its output on the terminal, and leaves nothing at Ctrl-C", async () => {
    const { child, exited, output, host } = await startRunning(await directory("foreground", app("here")));
    expect((await platform.ask(host, "/y")).text).toBe("here /y");
    await eventually("the output is there", () => Promise.resolve(output().includes("GET /y\n")));
    child.kill("SIGINT");
    expect(await exited).toEqual([130, null]);
    expect(output()).toContain("✓ Removed\n");
    expect(await names("services")).not.toContain("run-");
    await eventually("its instance is gone", async () => {
      const status = await platform.elafros(["status", "--data-dir", platform.dataDir, "-o", "json"]);
      const { instances } = JSON.parse(status.stdout) as { instances: { revision: string }[] };
      return instances.every(({ revision }) => !revision.startsWith("run-"));
    });
    for (const kind of ["builds", "revisions"]) expect(await names(kind)).not.toContain("run-");
  });

  test("is removed by the platform where it was killed", async () => {
    const { child, exited } = await startRunning(await directory("killed", app("here")));
    child.kill("SIGKILL");
    await exited;
    const [name = ""] = /run-killed-\w+/.exec(await names("configurations")) ?? [];
    const expired = { metadata: { annotations: { "elafros.dev/expires-at": new Date().toISOString() } } };
    const patched = await platform.call("PATCH", `${configurations}/${name}`, JSON.stringify(expired), merge);
    expect(patched.status).toBe(200);
    await eventually("it is gone", async () => {
      const left = await Promise.all(["services", "builds", "revisions", "routes"].map(names));
      return !left.join("").includes("run-killed");
    });
  });
});
