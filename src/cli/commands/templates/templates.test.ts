import { describe, expect, it } from "vitest";
import { buildPath, type CliHarness, parseOptions, startCli } from "../../../../test/support/cli.ts";
import { templatesListCommand, type TemplatesListOptions } from "./list.ts";

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
    const missing = await cli.run(["templates", "describe", "cobol"]);
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.stderr).toBe(
      'Error: There is no build template "cobol" in namespace "default" or "build-templates": there are nodejs-8-9-4\n',
    );
  });
});
