import { describe, expect, it } from "vitest";
import { playControllers, startCli } from "../../../../test/support/cli.ts";

const image = ["--image", "registry.example/hello:v1"];

describe("lists by type", () => {
  it("services list and revisions list show functions, or apps: all that are no functions", async () => {
    await using cli = await startCli();
    playControllers(cli.api);
    await cli.run(["deploy", "--service", "my-service", ...image]);
    await cli.run(["deploy", "--service", "my-service-2", ...image, "--label", "elafros.dev/type=function"]);
    const names = async (...argv: string[]) => (await cli.run([...argv, "-o", "name"])).stdout.trimEnd().split("\n");
    expect(await names("services", "list", "--type", "function")).toEqual(["service/my-service-2"]);
    expect(await names("services", "list", "--type", "app")).toEqual(["service/my-service"]);
    expect(await names("services", "list")).toHaveLength(2);
    expect(await names("revisions", "list", "--all", "--type", "function")).toEqual([
      "revision.elafros.dev/my-service-2-00001",
    ]);
    expect(await names("revisions", "list", "--all", "--type", "app")).toEqual([
      "revision.elafros.dev/my-service-00001",
    ]);
    const refused = await cli.run(["services", "list", "--type", "job"]);
    expect(refused.stderr).toContain("Allowed choices are function, app");
  });
});
