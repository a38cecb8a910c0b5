import { describe, expect, it } from "vitest";
import { corePath, elafrosPath, playControllers, startCli } from "../../../../test/support/cli.ts";
import type { Configuration, Route } from "../../objects.ts";

const image = ["--image", "registry.example/hello:v1"];

describe("deploy", () => {
  it("deploy creates a service and prints each phase as the examples do", async () => {
    await using cli = await startCli();
    playControllers(cli.api, { pulls: true });
    const result = await cli.run(["deploy", "--service", "my-service", "--region", "us-central1", ...image]);
    expect(result).toEqual({
      code: 0,
      stderr: "",
      stdout: `✓ Creating service [my-service] in region [us-central1]
Deploying app to service [my-service]:
✓ Uploading [=================]
✓ Starting
✓ Promoting
Done.
Deployed to https://my-service.default.mydomain.com
`,
    });
  });

  it("deploy remembers service and image of the directory and changes only what is named", async () => {
    await using cli = await startCli();
    playControllers(cli.api);
    await cli.run(["deploy", "--service", "my-service", ...image, "--env", "FOO=bar", "--env", "HELLO=world"]);
    const result = await cli.run(["deploy", "--env", 'HELLO="blurg"', "--env", "FOO-", "--port", "9000"]);
    expect(result.stdout).toBe(`Deploying app to service [my-service]:
✓ Starting
✓ Promoting
Done.
Deployed to https://my-service.default.mydomain.com
`);
    const configuration = cli.api.read(`${elafrosPath}/configurations/my-service`) as Configuration | undefined;
    expect(configuration?.spec.revisionTemplate.spec.container).toEqual({
      image: "registry.example/hello:v1",
      env: [{ name: "HELLO", value: '"blurg"' }],
      ports: [{ containerPort: 9000 }],
    });
  });

  it("deploy names the port for what the container speaks there, and keeps both when one is changed", async () => {
    await using cli = await startCli();
    playControllers(cli.api);
    const ports = () => {
      const configuration = cli.api.read(`${elafrosPath}/configurations/my-service`) as Configuration | undefined;
      return configuration?.spec.revisionTemplate.spec.container.ports;
    };
    await cli.run(["deploy", "--service", "my-service", ...image, "--protocol", "h2c"]);
    expect(ports()).toEqual([{ name: "h2c", containerPort: 8080 }]);
    await cli.run(["deploy", "--port", "50051"]);
    expect(ports()).toEqual([{ name: "h2c", containerPort: 50_051 }]);
    await cli.run(["deploy", "--protocol", "http1"]);
    expect(ports()).toEqual([{ name: "http1", containerPort: 50_051 }]);
  });

  it("deploy sets how the new revision scales in the template's annotations, and leaves what isn't named", async () => {
    await using cli = await startCli();
    playControllers(cli.api);
    const target = "autoscaling.elafros.dev/target";
    await cli.run(["deploy", "--service", "my-service", ...image, "--min-scale", "1", "--annotation", `${target}=20`]);
    await cli.run(["deploy", "--max-scale", "4", "--annotation", "autoscaling.elafros.dev/min-scale-"]);
    const configuration = cli.api.read(`${elafrosPath}/configurations/my-service`) as Configuration | undefined;
    const annotations = Object.entries(configuration?.spec.revisionTemplate.metadata?.annotations ?? {});
    expect(Object.fromEntries(annotations.filter(([key]) => key.startsWith("autoscaling.")))).toEqual({
      [target]: "20",
      "autoscaling.elafros.dev/max-scale": "4",
    });
  });

  it("deploy without image names both flags where nothing was deployed before", async () => {
    await using cli = await startCli();
    const result = await cli.run(["deploy", "--service", "my-service"]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("--image");
    expect(result.stderr).toContain("--source");
    expect(cli.api.requests.filter((request) => request.method !== "GET")).toEqual([]);
  });

  it("deploy tells why a revision failed, with the container's last lines, and leaves the traffic", async () => {
    await using cli = await startCli();
    playControllers(cli.api, { fail: { reason: "ExitCode1", message: "Container failed with: boom" } });
    cli.api.put(`${corePath}/pods`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "my-service-00001-abc", labels: { "elafros.dev/revision": "my-service-00001" } },
    });
    cli.api.intercept((request) =>
      request.url.includes("/log?") ? { status: 200, type: "text/plain", body: "starting\nboom\n" } : undefined,
    );
    const result = await cli.run(["deploy", "--service", "my-service", ...image]);
    expect(result).toEqual({
      code: 1,
      stdout: `✓ Creating service [my-service] in region [us-central1]
Deploying app to service [my-service]:
✗ Starting
`,
      stderr: `Error: Revision "my-service-00001" failed: ExitCode1: Container failed with: boom
Last lines of the container:
  starting
  boom
Service [my-service] serves nothing yet. Mend it and deploy again.
`,
    });
  });

  it("deploy --no-traffic pins what is served and adds the revision at 0 percent under its name", async () => {
    await using cli = await startCli();
    playControllers(cli.api);
    await cli.run(["deploy", "--service", "my-service", ...image]);
    const result = await cli.run(["deploy", "--no-traffic", "--name", "canary"]);
    expect(result.stdout).toContain("Deployed to https://canary.my-service.default.mydomain.com");
    const route = cli.api.read(`${elafrosPath}/routes/my-service`) as Route | undefined;
    expect(route?.spec.rollout.traffic).toEqual([
      { revisionName: "my-service-00001", percent: 100 },
      { revisionName: "my-service-00002", name: "canary", percent: 0 },
    ]);
  });
});
