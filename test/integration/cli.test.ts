/** The CLI against the real API server and the real controllers. */
import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runningCli } from "../support/cli.ts";
import { controlBench } from "../support/control.ts";

const image = ["--image", "registry.example/hello:v1"];

/** Columns without their padding, as the examples came without theirs. */
function rows(text: string): string[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/).join(" | "));
}

async function startHere() {
  const api = await controlBench();
  return runningCli(await api.kubeconfig("user1", ["system:masters"]));
}

describe("elafros", () => {
  it("elafros plays scenarios 2, 1 and 3 as the examples show", async () => {
    await using cli = await startHere();
    execFileSync("git", ["init", "-q"], { cwd: cli.cwd });
    execFileSync(
      "git",
      ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "--allow-empty", "-m", "x"],
      {
        cwd: cli.cwd,
      },
    );
    const sha = execFileSync("git", ["rev-parse", "--short=7", "HEAD"], { cwd: cli.cwd, encoding: "utf8" }).trim();

    const first = await cli.run([
      "deploy",
      "--service",
      "my-service",
      "--region",
      "test",
      ...image,
      "--env",
      "FOO=bar",
      "--env",
      "HELLO=world",
    ]);
    expect(first).toEqual({
      code: 0,
      stderr: "",
      stdout: `✓ Creating service [my-service] in region [test]
Deploying app to service [my-service]:
✓ Starting
✓ Promoting
Done.
Deployed to https://my-service.default.mydomain.com
`,
    });
    const second = await cli.run(["deploy", "--service", "my-service"]);
    expect(second).toEqual({
      code: 0,
      stderr: "",
      stdout: `Deploying app to service [my-service]:
✓ Starting
✓ Promoting
Done.
Deployed to https://my-service.default.mydomain.com
`,
    });

    expect((await cli.run(["rollout", "strategy", "manual"])).code).toBe(0);
    expect((await cli.run(["deploy", "--service", "my-service", "--env", "HELLO=blurg"])).code).toBe(0);
    const date = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d`;
    const before = rows((await cli.run(["revisions", "list", "--service", "my-service"])).stdout);
    expect(before).toEqual([
      "Name | Traffic | Id | Date | Deployer | Git SHA",
      expect.stringMatching(`^next \\| 0% \\| v3 \\| ${date} \\| user1 \\| ${sha}$`),
      expect.stringMatching(`^current \\| 100% \\| v2 \\| ${date} \\| user1 \\| ${sha}$`),
      expect.stringMatching(`^v1 \\| ${date} \\| user1 \\| ${sha}$`),
    ]);
    expect((await cli.run(["rollout", "next", "percent", "5"])).code).toBe(0);
    expect((await cli.run(["rollout", "next", "percent", "50"])).code).toBe(0);
    expect((await cli.run(["rollout", "finish"])).code).toBe(0);
    const after = rows((await cli.run(["revisions", "list", "--service", "my-service"])).stdout);
    expect(after).toEqual([
      "Name | Traffic | Id | Date | Deployer | Git SHA",
      expect.stringMatching(`^current,next \\| 100% \\| v3 \\| ${date} \\| user1 \\| ${sha}$`),
      expect.stringMatching(`^v2 \\| ${date} \\| user1 \\| ${sha}$`),
      expect.stringMatching(`^v1 \\| ${date} \\| user1 \\| ${sha}$`),
    ]);

    const yaml = await cli.run(["configurations", "describe", "my-service", "-o", "json"]);
    const env = (JSON.parse(yaml.stdout) as { spec: { revisionTemplate: { spec: { container: { env: unknown } } } } })
      .spec.revisionTemplate.spec.container.env;
    expect(env).toEqual([
      { name: "FOO", value: "bar" },
      { name: "HELLO", value: "blurg" },
    ]);
  });

  it("elafros rollout undo goes back to the revision before, also after an automatic deploy", async () => {
    await using cli = await startHere();
    await cli.run(["deploy", "--service", "my-service", ...image]);
    await cli.run(["deploy"]);
    expect((await cli.run(["rollout", "undo"])).code).toBe(0);
    const status = await cli.run(["rollout", "status"]);
    expect(rows(status.stdout).slice(1)).toEqual([
      "Strategy: manual",
      "Rollout: complete",
      "Name | Traffic | Id | Revision",
      "100% | v1 | my-service-00001",
    ]);
  });

  it("elafros deploy fails with the reason and leaves the traffic where it was", async () => {
    await using cli = await startHere();
    await cli.run(["deploy", "--service", "my-service", ...image]);
    const crashed = await cli.run(["deploy", "--env", "FAIL=1"]);
    expect(crashed.code).toBe(1);
    expect(crashed.stderr).toContain('Revision "my-service-00002" failed: ExitCode1: Container failed with: boom');
    expect(crashed.stderr).toContain("goes on with my-service-00001");
    const missing = await cli.run(["deploy", "--env", "FAIL-", "--image", "registry.example/missing:v1"]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('ContainerMissing: Unable to fetch image "registry.example/missing:v1"');
    const status = await cli.run(["rollout", "status"]);
    expect(rows(status.stdout)).toContain("100% | v1 | my-service-00001");
  });

  it("elafros shows every fault of a refused object", async () => {
    await using cli = await startHere();
    const refused = await cli.run([
      "deploy",
      "--service",
      "my-service",
      ...image,
      "--memory",
      "1",
      "--service-account",
      "Not A Name",
    ]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("serviceAccountName");
    expect((await cli.run(["services", "list"])).stderr).toBe('No services found in namespace "default".\n');
  });

  it("elafros manages services, revisions, routes, configurations and secrets", async () => {
    await using cli = await startHere();
    await cli.run(["deploy", "--service", "my-service", ...image]);
    await cli.run(["deploy"]);
    expect(rows((await cli.run(["services", "list"])).stdout)[1]).toMatch(
      /^my-service \| https:\/\/my-service\.default\.mydomain\.com \| my-service-00002 \| True \| \d+s$/,
    );
    expect((await cli.run(["services", "list", "-o", "name"])).stdout).toBe("service/my-service\n");
    expect((await cli.run(["services", "describe", "my-service"])).stdout).toContain("Strategy:   automatic");
    expect((await cli.run(["revisions", "describe", "v1"])).stdout).toContain("Id:           v1");
    expect((await cli.run(["revisions", "delete", "v1"])).stdout).toBe("✓ Deleted revision [my-service-00001]\n");
    const unknown = await cli.run(["revisions", "describe", "v1"]);
    expect(unknown.stderr).toBe('Error: Service "my-service" has no revision "v1": it has v2\n');
    const held = await cli.run(["revisions", "delete", "my-service-00002"]);
    expect(held.stderr).toContain('still named by route "my-service"');
    expect((await cli.run(["routes", "list", "-o", "name"])).stdout).toBe("route.elafros.dev/my-service\n");

    expect((await cli.run(["secrets", "create", "s", "--from-literal", "k=v"])).stdout).toBe("✓ Created secret [s]\n");
    expect((await cli.run(["secrets", "create", "s", "--from-literal", "k=v"])).stderr).toContain("already exists");
    expect(rows((await cli.run(["secrets", "list"])).stdout)[1]).toMatch(/^s \| Opaque \| k \| \d+s$/);
    expect((await cli.run(["secrets", "delete", "secret/s", "-o", "name"])).stdout).toBe("secret/s\n");

    expect((await cli.run(["services", "delete", "my-service"])).stdout).toBe("✓ Deleted service [my-service]\n");
    const gone = await cli.run(["rollout", "status"]);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain('There is no service "my-service"');
  });

  it("elafros says why a server isn't trusted, or doesn't trust it", async () => {
    const api = await controlBench();
    const text = await readFile(await api.kubeconfig("user1", []), "utf8");
    const other = await controlBench();
    const ca = (pem: string) => Buffer.from(pem).toString("base64");
    const tries = [
      [text.replace(ca(api.pki.ca), ca(other.pki.ca)), /Cannot reach the API server at .*isn't signed by the CA in/],
      [text.replace(/client-(certificate|key)-data: .*/g, ""), /The server doesn't accept the credentials/],
      [text, /User "user1" cannot list resource/],
      [
        text
          .replace(/certificate-authority-data: .*/, "insecure-skip-tls-verify: true")
          .replace(/server: .*/, 'server: "https://127.0.0.1:1"'),
        /Cannot reach the API server at https:\/\/127\.0\.0\.1:1 \(context "test" of .*\): connection refused: look whether the cluster runs/,
      ],
    ] as const;
    for (const [index, [content, message]] of tries.entries()) {
      const file = join(api.dir, `try-${index}`);
      await writeFile(file, content);
      await using cli = await runningCli(file);
      const result = await cli.run(["routes", "list"]);
      expect(result.stderr).toMatch(message);
      expect(result.code).toBe(1);
    }
  });
});
