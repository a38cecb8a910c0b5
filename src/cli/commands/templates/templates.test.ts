import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  buildPath,
  type CliHarness,
  kubeconfigOf,
  noPlatform,
  parseOptions,
  startCli,
} from "../../../../test/support/cli.ts";
import { templatesListCommand, type TemplatesListOptions } from "./list.ts";
import { templatesStandInsCommand, type TemplatesStandInsOptions } from "./stand-ins.ts";

const shared = "/apis/build.dev/v1alpha1/namespaces/build-templates";

function putTemplate(cli: CliHarness, base: string, name: string): void {
  cli.api.put(`${base}/buildtemplates`, {
    apiVersion: "build.dev/v1alpha1",
    kind: "BuildTemplate",
    metadata: { name, namespace: base.split("/").at(-1) ?? "", annotations: { "build.dev/notice": "Use another" } },
    spec: {
      parameters: [
        { name: "_IMAGE", description: "The image" },
        { name: "_ENTRY_POINT", default: "" },
      ],
      steps: [{ name: "build", image: "elafros.dev/tools" }],
    },
  });
}

describe("templates", () => {
  it.each<[string[], Partial<TemplatesListOptions>]>([
    [[], {}],
    [["-o", "name", "-n", "prod"], { output: "name", namespace: "prod" }],
  ])("templatesListCommand() reads %j", async (argv, expected) => {
    expect(await parseOptions<TemplatesListOptions>(templatesListCommand, argv)).toEqual({
      output: "table",
      ...expected,
    });
  });

  it("templates list shows the namespace's own and the platform's", async () => {
    await using cli = await startCli();
    expect((await cli.run(["templates", "list"])).stderr).toContain('No build templates found in namespace "default"');
    putTemplate(cli, shared, "nodejs-24");
    putTemplate(cli, buildPath, "mine");
    const { stdout } = await cli.run(["templates", "list"]);
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 3).join("|"))).toEqual([
      "Name|Namespace|Parameters",
      "mine|default|_IMAGE,_ENTRY_POINT",
      "nodejs-24|build-templates|_IMAGE,_ENTRY_POINT",
      "",
    ]);
  });

  it("templates list shows its own to those who may not read the platform's", async () => {
    await using cli = await startCli();
    putTemplate(cli, buildPath, "mine");
    cli.api.intercept(({ url }) =>
      url.startsWith(shared)
        ? { status: 403, body: { kind: "Status", reason: "Forbidden", code: 403, message: "no" } }
        : undefined,
    );
    expect((await cli.run(["templates", "list", "-o", "name"])).stdout).toBe("buildtemplate.build.dev/mine\n");
  });

  it("templates describe finds a template as the examples write it, with its parameters", async () => {
    await using cli = await startCli();
    putTemplate(cli, shared, "nodejs-8-9-4");
    const { stdout } = await cli.run(["templates", "describe", "nodejs_8_9_4"]);
    expect(stdout).toContain("Namespace:    build-templates");
    expect(stdout).toContain("Notice:       Use another");
    expect(stdout).toContain(
      "Parameters:   _IMAGE (required) The image\n              _ENTRY_POINT (default: empty)\n",
    );
    putTemplate(cli, buildPath, "nodejs-8-9-4");
    const named = await cli.run([
      "deploy",
      "--service",
      "s",
      "--source",
      "x",
      "--template",
      "build-templates/nodejs_8_9_4",
    ]);
    expect(named.stderr).toContain('--source "x" isn\'t there');
    cli.api.remove(`${buildPath}/buildtemplates/nodejs-8-9-4`);
    const missing = await cli.run(["templates", "describe", "cobol"]);
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.stderr).toBe(
      'Error: There is no build template "cobol" in namespace "default" or "build-templates": there are nodejs-8-9-4\n',
    );
  });

  it.each<[string[], object]>([
    [[], { dataDir: "/var/lib/elafros" }],
    [["--data-dir", "/d", "--only", "node, go"], { dataDir: "/d", only: ["node", "go"] }],
    [["--only", "node", "--only", "static"], { dataDir: "/var/lib/elafros", only: ["node", "static"] }],
  ])("templatesStandInsCommand() reads %j", async (argv, expected) => {
    expect(await parseOptions<TemplatesStandInsOptions>(templatesStandInsCommand, argv)).toEqual(expected);
  });

  it("templates stand-ins makes them and points the templates at them, leaving what isn't made", async () => {
    const calls: unknown[] = [];
    await using cli = await startCli({
      ...noPlatform,
      makeStandIns: ({ print, ...options }) => {
        calls.push(options);
        print("Making localhost/elafros/node-run");
        return Promise.resolve({ "node-run": "localhost/elafros/node-run" });
      },
    });
    const data = join(cli.cwd, "data");
    await mkdir(data);
    const away = await cli.run(["templates", "stand-ins", "--data-dir", "data"]);
    expect(away).toMatchObject({ code: 1, stderr: expect.stringContaining("kubeconfig") });
    expect(calls).toEqual([]);

    await writeFile(join(data, "kubeconfig"), kubeconfigOf(cli.api.url));
    const result = await cli.run(["templates", "stand-ins", "--data-dir", "data", "--only", "node"]);
    expect(result).toEqual({
      code: 0,
      stdout: "Making localhost/elafros/node-run\n✓ node-run is localhost/elafros/node-run\n",
      stderr: "",
    });
    expect(calls).toEqual([{ dataDir: data, only: ["node"] }]);
    const path = "/api/v1/namespaces/build-templates/configmaps/base-images";
    expect(cli.api.read(path)?.["data"]).toEqual({ "node-run": "localhost/elafros/node-run" });
    cli.api.put("/api/v1/namespaces/build-templates/configmaps", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "base-images" },
      data: { "node-run": "x", "go-run": "y" },
    });
    await cli.run(["templates", "stand-ins", "--data-dir", "data"]);
    expect(cli.api.read(path)?.["data"]).toEqual({ "node-run": "localhost/elafros/node-run", "go-run": "y" });
  });
});
