/** The CLI's commands about builds against the real API server and the real controllers; only the machine that builds is played. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Configuration } from "../../src/api/configuration.ts";
import { CancelledError } from "../../src/cli/errors.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { type Cli, runningCli } from "../support/cli.ts";
import { type ControlBench, controlBench } from "../support/control.ts";
import { gitHttps } from "../support/git-https.ts";
import { makeRepository } from "../support/git-repository.ts";

const templates = "/apis/build.dev/v1alpha1/namespaces/build-templates/buildtemplates";
const elafros = "/apis/elafros.dev/v1alpha1/namespaces/default";

/** A server with the templates that detection names, and the CLI of a user who may do what editors may. */
async function startHere(): Promise<{ api: ControlBench; cli: Cli }> {
  const api = await controlBench();
  await api.ask("POST", "/api/v1/namespaces", { body: { metadata: { name: "build-templates" } } });
  for (const name of ["nodejs-24", "nodejs-24-fn"]) {
    const body = {
      apiVersion: "build.dev/v1alpha1",
      kind: "BuildTemplate",
      metadata: { name },
      spec: {
        parameters: [{ name: "_IMAGE" }, { name: "_ENTRY_POINT", default: "" }],
        steps: [{ name: "build", image: "elafros.dev/tools", args: ["${_ENTRY_POINT}"] }],
      },
    };
    expect((await api.ask("POST", templates, { body })).status).toBe(201);
  }
  const binding = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "edit" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edit" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "user1" }],
  };
  const bound = await api.ask("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", {
    body: binding,
  });
  expect(bound.status).toBe(201);
  return { api, cli: await runningCli(await api.kubeconfig("user1", ["system:authenticated"])) };
}

async function putApp(cli: Cli, text = ""): Promise<void> {
  await writeFile(join(cli.cwd, "package.json"), JSON.stringify({ scripts: { start: "node server.js" } }));
  await writeFile(join(cli.cwd, "server.js"), text);
}

describe("elafros builds from source", () => {
  it("elafros plays scenario 4, and builds an unchanged source once", async () => {
    const { api, cli } = await startHere();
    await using _ = cli;
    await putApp(cli);
    const first = await cli.run(["deploy", "--service", "my-service", "--region", "test"]);
    expect(first).toEqual({
      code: 0,
      stderr: "",
      stdout: `✓ Creating service [my-service] in region [test]
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
    const again = await cli.run(["deploy", "--env", "A=1"]);
    expect(again.stdout).toContain("✓ Detected [node-24] runtime\n✓ Reusing build [my-service-00001]\n✓ Starting\n");
    expect(again.stdout).not.toContain("Uploading");
    await putApp(cli, "// changed");
    const changed = await cli.run(["deploy"], { terminal: true });
    expect(changed.stdout).toContain("\u001B[32m✓\u001B[0m Uploading [=================]\n");
    expect(changed.stdout).toContain("\u001B[32m✓\u001B[0m Building\n");
    expect(api.builds.began).toHaveLength(2);

    const listed = await cli.run(["builds", "list", "--service", "my-service"]);
    expect(listed.stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 4).join("|"))).toEqual([
      "Name|Service|State|Template",
      "my-service-00001|my-service|Succeeded|nodejs-24",
      "my-service-00003|my-service|Succeeded|nodejs-24",
      "",
    ]);
    const described = await cli.run(["builds", "describe", "v2"]);
    expect(described.stdout).toContain("Name:         my-service-00001\n");
    expect(described.stdout).toMatch(/Image: +localhost\/default\/my-service@sha256:/);
    expect((await cli.run(["revisions", "describe", "v3"])).stdout).toContain("Build:        my-service-00003\n");
    expect((await cli.run(["builds", "delete", "my-service-00003"])).code).toBe(0);
  });

  it("elafros plays scenario 5", async () => {
    const { api, cli } = await startHere();
    await using _ = cli;
    await writeFile(join(cli.cwd, "index.js"), "exports.index = (req, res) => res.end();");
    const first = await cli.run(["deploy", "--function", "index", "--service", "my-function"]);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toContain(`Deploying function to service [my-function]:
✓ Uploading [=================]
✓ Detected [node-24] runtime
✓ Building
`);
    const { json } = await api.ask("GET", `${elafros}/revisions/my-function-00001`);
    expect(json).toMatchObject({
      metadata: { labels: { "elafros.dev/type": "function" } },
      spec: { concurrencyModel: "SingleThreaded", buildName: "my-function-00001" },
    });
    expect(api.builds.specOf("my-function-00001")?.steps[0]?.args).toEqual(["index"]);
    expect((await cli.run(["services", "list", "--type", "function", "-o", "name"])).stdout).toBe(
      "service/my-function\n",
    );
  });

  it("elafros says why a build failed, and what served goes on", async () => {
    const { api, cli } = await startHere();
    await using _ = cli;
    await putApp(cli);
    await cli.run(["deploy", "--service", "my-service"]);
    api.builds.endsByItself = false;
    await putApp(cli, "// changed");
    const deploying = cli.run(["deploy"]);
    const name = "my-service-00002";
    await expect.poll(() => api.builds.specOf(name)).toBeDefined();
    api.builds.queue(name, "Waiting for 1 build before it");
    await expect
      .poll(async () => (await cli.run(["builds", "describe", name])).stdout)
      .toContain("Waiting for 1 build before it");
    api.builds.run(name, 1);
    const message = 'Step "build" failed with error message: boom';
    api.builds.fail(name, { reason: "BuildStepFailed", message });
    const result = await deploying;
    expect(result.code).toBe(1);
    expect(result.stdout).toContain("✓ Detected [node-24] runtime\n✗ Building\n");
    expect(result.stderr).toContain(`Error: Build "${name}" failed: BuildStepFailed: ${message}\n`);
    expect(result.stderr).toContain(
      "The traffic was not changed: service [my-service] goes on with my-service-00001.\n",
    );
    expect((await cli.run(["services", "describe", "my-service"])).stdout).toContain("BuildFailed");
  });

  it("elafros cancels a build, which the deploy that waits for it tells", async () => {
    const { api, cli } = await startHere();
    await using _ = cli;
    api.builds.endsByItself = false;
    await putApp(cli);
    const deploying = cli.run(["deploy", "--service", "my-service"]);
    await expect.poll(() => api.builds.specOf("my-service-00001")).toBeDefined();
    api.builds.run("my-service-00001");
    expect((await cli.run(["builds", "cancel", "v1", "--service", "my-service"])).stdout).toBe(
      "✓ Cancelled build [my-service-00001]\n",
    );
    const result = await deploying;
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('Build "my-service-00001" failed: BuildCancelled');
  });

  it("elafros deploy interrupted while it builds says that the deploy goes on", async () => {
    const { api, cli } = await startHere();
    await using _ = cli;
    api.builds.endsByItself = false;
    await putApp(cli);
    const stop = new AbortController();
    const deploying = cli.run(["deploy", "--service", "my-service"], { signal: stop.signal });
    await expect.poll(() => api.builds.specOf("my-service-00001")).toBeDefined();
    stop.abort(new CancelledError("Cancelled"));
    const result = await deploying;
    expect(result.code).toBe(130);
    expect(result.stderr).toBe(
      "The deploy was accepted: it goes on; see 'elafros rollout status --service my-service'\nCancelled\n",
    );
    api.builds.succeed("my-service-00001");
    await expect.poll(async () => (await cli.run(["services", "list"])).stdout).toMatch(/my-service-00001 +True/);
  });

  it("elafros deploys a commit of a git repository, found by branch, tag or HEAD, from servers of any age", async () => {
    const { api, cli } = await startHere();
    await using _ = cli;
    const root = join(api.dir, "git");
    const repository = await makeRepository(join(root, "app.git"));
    const first = await repository.commit({ "package.json": JSON.stringify({ scripts: { start: "node ." } }) });
    await repository.git("tag", "v1");
    const second = await repository.commit({ "index.html": "x", "package.json": "{}" });
    const ca = join(api.dir, "ca.pem");
    await writeFile(ca, api.pki.ca);
    const env = { ...process.env, GIT_SSL_CAINFO: ca };
    const tls = api.pki.serving();
    const built = async () =>
      (await api.ask("GET", `${elafros}/configurations/my-service`)).json as unknown as Configuration;
    const [server, old, dumb] = [
      await gitHttps({ root, tls }),
      await gitHttps({ root, tls, old: true }),
      await gitHttps({ root, tls, dumb: true }),
    ];
    await repository.git("update-server-info");

    const argv = ["deploy", "--service", "my-service", "--source"];
    const result = await cli.run([...argv, `${server.url}/app.git#v1`], { env });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toContain("✓ Detected [node-24] runtime\n✓ Building\n");
    expect(result.stdout).not.toContain("Uploading");
    expect((await built()).spec.build?.source).toEqual({ git: { url: `${server.url}/app.git`, commit: first } });
    expect((await built()).spec.revisionTemplate.metadata?.annotations).toMatchObject({
      "elafros.dev/git-commit": first,
      "elafros.dev/git-dirty": "false",
    });
    // The branch is looked up anew each time; what is remembered is its name.
    for (const { url } of [old, dumb]) {
      const again = await cli.run([...argv, `${url}/app.git`, "--template", "nodejs-24"], { env });
      expect(again).toMatchObject({ code: 0 });
      expect((await built()).spec.build?.source?.git?.commit).toBe(second);
      const detected = await cli.run([...argv, `${url}/app.git#v1`], { env });
      expect(detected.stdout).toContain("✓ Detected [node-24] runtime\n");
    }
    const missing = await cli.run([...argv, `${server.url}/app.git#v9`], { env });
    expect(missing.stderr).toContain('has no branch, tag or commit "v9": it has main, v1\n');
    const none = await cli.run([...argv, `${server.url}/other.git`], { env });
    expect(none.stderr).toMatch(/Cannot read the repository ".*\/other.git": .*not found/);
    const untrusted = await cli.run([...argv, `${server.url}/app.git`], { env: process.env as Record<string, string> });
    expect(untrusted.stderr).toMatch(/Cannot read the repository .*certificate/);
    const closed = await gitHttps({ root, tls, user: { name: "a", password: "b" } });
    const refused = await cli.run([...argv, `${closed.url}/app.git`], { env });
    expect(refused.stderr).toContain("set up a credential helper or an ssh key");
  });

  it("elafros says that a source is over the server's limit, and leaves no half service", async () => {
    const { cli } = await startHere();
    await using _ = cli;
    await putApp(cli);
    await writeFile(join(cli.cwd, "large"), randomBytes(2 * 1024 * 1024));
    const result = await cli.run(["deploy", "--service", "my-service"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/Cannot upload the source: its archive of 2.0 MiB is too large .*limit is 1 MiB/);
    expect((await cli.run(["routes", "list"])).stderr).toBe('No routes found in namespace "default".\n');
  });

  it("elafros run serves until it is interrupted, and leaves nothing", async () => {
    const { api, cli } = await startHere();
    await using _ = cli;
    await putApp(cli);
    await mkdir(join(cli.cwd, "tmp"));
    const stop = new AbortController();
    let said = "";
    const running = cli.run(["run"], {
      signal: stop.signal,
      output: (text) => (said += text),
      env: { TMPDIR: join(cli.cwd, "tmp") },
      clock: systemClock,
    });
    await expect.poll(async () => (await cli.run(["services", "list"])).stdout).toMatch(/run-elafros-cli-.* True/);
    // It hears of that a moment later.
    await expect.poll(() => said).toContain("until Ctrl-C");
    const names = await configurations(api);
    stop.abort(new CancelledError("Cancelled"));
    const result = await running;
    expect(result.code).toBe(130);
    expect(result.stdout).toContain(`Running at https://${names[0] ?? ""}.default.mydomain.com until Ctrl-C\n`);
    expect(result.stdout).toContain("✓ Removed\n");
    expect(await configurations(api)).toEqual([]);
    for (const kind of ["routes", "builds", "revisions"]) {
      await expect.poll(async () => (await cli.run([kind, "list"])).stdout).toBe("");
    }
  });

  it.each(["SIGINT", "SIGTERM"] as const)("elafros run as a process removes what it made at %s", async (signal) => {
    const { api, cli } = await startHere();
    await using _ = cli;
    await putApp(cli);
    const kubeconfig = await api.kubeconfig("user2", ["system:masters"]);
    const main = join(import.meta.dirname, "../../src/cli/main.ts");
    const env = { ...process.env, KUBECONFIG: kubeconfig };
    const child = spawn(process.execPath, [main, "run"], { cwd: cli.cwd, env, stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "exit");
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (text.includes("until Ctrl-C")) child.kill(signal);
    });
    expect(await exited).toEqual([130, null]);
    expect(output).toMatch(/Running at https:.* until Ctrl-C\n✓ Removed\n$/);
    expect(await configurations(api)).toEqual([]);
  });

  it("elafros run that was killed leaves a service that the platform removes when its time is over", async () => {
    const { api, cli } = await startHere();
    await using _ = cli;
    await putApp(cli);
    // Its clock stands in 2018: what it leaves has expired as soon as it is no longer moved on, and it is never moved on.
    const result = cli.run(["run"]);
    await expect.poll(() => api.builds.began.length).toBe(1);
    await expect.poll(() => configurations(api)).toEqual([]);
    await expect.poll(async () => (await cli.run(["routes", "list"])).stdout).toBe("");
    expect((await result).code).toBe(1);
  });
});

async function configurations(api: ControlBench): Promise<string[]> {
  const { json } = await api.ask("GET", `${elafros}/configurations`);
  return (json as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
}
