import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { elafrosPath, playControllers, startCli } from "../../test/support/cli.ts";

describe("runCli", () => {
  it.each([
    [["--help"], 0],
    [["help", "deploy"], 0],
    [["deploy", "--help"], 0],
    [["--version"], 0],
    [[], 2],
    [["rollout"], 2],
    [["dploy"], 2],
    [["deploy", "--nope"], 2],
    [["services", "describe", "absent"], 1],
    [["services", "list"], 0],
  ])("runCli() ends %j with status %i", async (argv, code) => {
    await using cli = await startCli();
    expect((await cli.run(argv)).code).toBe(code);
  });

  it("runCli() suggests what a mistyped command may have meant", async () => {
    await using cli = await startCli();
    expect((await cli.run(["dploy"])).stderr).toContain("Did you mean deploy?");
    expect((await cli.run(["rollout", "stategy", "manual"])).stderr).toContain("Did you mean strategy?");
  });

  it("runCli() says Cancelled after Ctrl-C, also in the middle of a wait", async () => {
    await using cli = await startCli();
    const stop = new AbortController();
    cli.api.onWrite((path) => {
      if (path.endsWith("/routes")) stop.abort(new Error("interrupted"));
    });
    const result = await cli.run(["deploy", "--service", "s", "--image", "i"], { signal: stop.signal });
    expect(result.code).toBe(130);
    expect(result.stderr).toBe(
      "The deploy was accepted: it goes on; see 'elafros rollout status --service s'\nCancelled\n",
    );
  });

  it("runCli() reports a refused object with every fault", async () => {
    await using cli = await startCli();
    cli.api.intercept(({ method }) =>
      method === "POST"
        ? {
            status: 422,
            body: { kind: "Status", status: "Failure", reason: "Invalid", code: 422, message: "a: bad, b: worse" },
          }
        : undefined,
    );
    const result = await cli.run(["deploy", "--service", "s", "--image", "i"]);
    expect(result).toEqual({ code: 1, stdout: "", stderr: "Error: a: bad, b: worse\n" });
  });

  it("runCli() takes the Configuration away again where the Route is refused", async () => {
    await using cli = await startCli();
    cli.api.intercept(({ method, url }) =>
      method === "POST" && url.endsWith("/routes")
        ? { status: 403, body: { kind: "Status", status: "Failure", reason: "Forbidden", code: 403, message: "no" } }
        : undefined,
    );
    expect((await cli.run(["deploy", "--service", "s", "--image", "i"])).code).toBe(1);
    expect(cli.api.read(`${elafrosPath}/configurations/s`)).toBeUndefined();
  });

  it("runCli() goes on waiting where the server ends a watch early or is away for a moment", async () => {
    await using cli = await startCli();
    let watches = 0;
    cli.api.intercept(({ url }) => {
      if (!url.includes("watch=true")) return undefined;
      watches += 1;
      if (watches === 1) return { status: 200, body: "" };
      if (watches === 2) return { status: 503, body: "restarting", type: "text/plain" };
      if (watches === 3) playControllers(cli.api)(`${elafrosPath}/configurations/my-service`);
      return undefined;
    });
    const result = await cli.run(["deploy", "--service", "my-service", "--image", "i"]);
    expect(result.code).toBe(0);
    expect(watches).toBeGreaterThanOrEqual(3);
  });

  it("runCli() names a region's alternatives", async () => {
    await using cli = await startCli();
    const result = await cli.run(["services", "list", "--region", "mars"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('Region "mars" is not a context');
    expect(result.stderr).toContain('it has "us-central1"');
  });

  it("runCli() refuses a memory that isn't its own", async () => {
    await using cli = await startCli();
    await writeFile(join(cli.cwd, ".elafros.json"), "not json");
    const result = await cli.run(["rollout", "status"]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(".elafros.json");
  });

  it("completion prints a script for each shell, and __complete the candidates", async () => {
    await using cli = await startCli();
    playControllers(cli.api);
    await cli.run(["deploy", "--service", "my-service", "--image", "i"]);
    for (const shell of ["bash", "zsh", "fish"]) {
      expect((await cli.run(["completion", shell])).stdout).toContain("elafros __complete");
    }
    const complete = async (...words: string[]) =>
      (await cli.run(["__complete", "--", ...words])).stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.split("\t")[0]);
    expect(await complete("ro")).toEqual(["rollout", "routes"]);
    expect(await complete("rollout", "strategy", "")).toEqual(["manual", "automatic"]);
    expect(await complete("deploy", "--no-t")).toEqual(["--no-traffic"]);
    expect(await complete("deploy", "--service", "")).toEqual(["my-service"]);
    expect(await complete("invoke", "")).toEqual(["my-service"]);
    cli.api.put("/apis/build.dev/v1alpha1/namespaces/build-templates/buildtemplates", {
      apiVersion: "build.dev/v1alpha1",
      kind: "BuildTemplate",
      metadata: { name: "nodejs-24" },
    });
    expect(await complete("deploy", "--template", "")).toEqual(["nodejs-24"]);
    expect(await complete("templates", "describe", "")).toEqual(["nodejs-24"]);
    expect(await complete("revisions", "describe", "my")).toEqual(["my-service-00001"]);
    expect(await complete("services", "list", "--region", "us")).toEqual(["us-central1"]);
    expect(await complete("services", "list", "-o", "")).toEqual(["table", "json", "yaml", "name"]);
  });
});
