import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { corePath, parseOptions, startCli } from "../../../../test/support/cli.ts";
import { secretsCreateCommand, type SecretsCreateOptions } from "./create.ts";

const decode = (data: unknown) =>
  Object.fromEntries(
    Object.entries(data as Record<string, string>).map(([key, value]) => [
      key,
      Buffer.from(value, "base64").toString(),
    ]),
  );

describe("secrets", () => {
  it("secretsCreateCommand() reads its options", async () => {
    const argv = ["db", "--from-literal", "a=b", "--from-file", "k=f", "--type", "kubernetes.io/basic-auth"];
    expect(await parseOptions<SecretsCreateOptions>(secretsCreateCommand, argv)).toEqual({
      name: "db",
      fromLiteral: ["a=b"],
      fromFile: ["k=f"],
      fromEnvFile: [],
      type: "kubernetes.io/basic-auth",
      dockerPasswordStdin: false,
      output: "table",
    });
  });

  it("secrets create puts values, files, env files and standard input together", async () => {
    await using cli = await startCli();
    await writeFile(join(cli.cwd, "key.pem"), "PEM\n");
    await writeFile(join(cli.cwd, ".env"), "# c\nexport USER='a b'\nPASS=\"x\\ny\"\n");
    const argv = [
      "--from-literal",
      "a=b=c",
      "--from-file",
      "key.pem",
      "--from-file",
      "in=-",
      "--from-env-file",
      ".env",
    ];
    const result = await cli.run(["secrets", "create", "db", ...argv], { input: "typed" });
    expect(result).toEqual({ code: 0, stdout: "✓ Created secret [db]\n", stderr: "" });
    const secret = cli.api.read(`${corePath}/secrets/db`);
    expect(secret?.["type"]).toBe("Opaque");
    expect(decode(secret?.["data"])).toEqual({ a: "b=c", "key.pem": "PEM\n", in: "typed", USER: "a b", PASS: "x\ny" });
  });

  it("secrets create makes credentials of a registry, the password from standard input", async () => {
    await using cli = await startCli();
    const argv = ["--docker-server", "r.example:5000", "--docker-username", "me", "--docker-password-stdin"];
    expect((await cli.run(["secrets", "create", "pull", ...argv], { input: "pw\n" })).code).toBe(0);
    const secret = cli.api.read(`${corePath}/secrets/pull`);
    expect(secret?.["type"]).toBe("kubernetes.io/dockerconfigjson");
    expect(JSON.parse(decode(secret?.["data"])[".dockerconfigjson"] ?? "")).toEqual({
      auths: { "r.example:5000": { username: "me", password: "pw", auth: Buffer.from("me:pw").toString("base64") } },
    });
  });

  it.each([
    [[], 'Secret "db" would be empty'],
    [["--from-file", "absent"], "ENOENT"],
    [["--from-literal", "a=1", "--from-file", "a=-"], '--from-literal "a" is given twice'],
    [["--docker-server", "r"], "--docker-server needs --docker-username"],
  ])("secrets create %j is a usage error", async (argv, message) => {
    await using cli = await startCli();
    const result = await cli.run(["secrets", "create", "db", ...argv]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(message);
  });

  it("secrets list shows keys and never values", async () => {
    await using cli = await startCli();
    await cli.run(["secrets", "create", "db", "--from-literal", "password=hunter2"]);
    const { stdout } = await cli.run(["secrets", "list"]);
    expect(stdout).toContain("password");
    expect(stdout).not.toContain(Buffer.from("hunter2").toString("base64"));
  });
});
