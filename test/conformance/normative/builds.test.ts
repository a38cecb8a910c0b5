/**
 * Scenarios 4 and 5 of the normative examples: the requests as they stand there, from a git server over HTTPS that asks for a password, built for real and
 * pushed to a registry; then their command-line sessions, each output compared with the example line by line.
 */
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort, type TestPlatform } from "../../support/platform.ts";
import { startRegistry, type TestRegistry } from "../../support/registry.ts";
import { startBuildingPlatform } from "../../support/stand-ins.ts";
import { type BuildStage, makeSources, playFifth, playFourth, sourcesSecret } from "./builds-player.ts";
import { api } from "./examples.ts";

const domain = "mydomain.com";
let registry: TestRegistry;
let platform: TestPlatform;
let stage: BuildStage;

beforeAll(async () => {
  registry = await startRegistry();
  const port = await freePort();
  platform = await startBuildingPlatform(["--domain", domain, "--allow-host", String(port)]);
  const sources = await makeSources(platform.dataDir, { host: "host.elafros.internal", port });
  stage = { ...platform, namespace: "default", domain, registry, sources };
  const { secret, account } = sourcesSecret(sources);
  const made = await platform.call("POST", "/api/v1/namespaces/default/secrets", JSON.stringify(secret));
  expect(made.status, made.text).toBe(201);
  const type = { "content-type": "application/merge-patch+json" };
  const path = "/api/v1/namespaces/default/serviceaccounts/default";
  expect((await platform.call("PATCH", path, JSON.stringify(account), type)).status).toBe(200);
}, 300_000);

afterAll(async () => {
  await platform?.purge();
  await registry?.close();
});

const served = async (service: string, path = "/") => {
  const answer = await platform.ask(`${service}.default.${domain}`, path);
  expect(answer.status, answer.text).toBe(200);
  return answer.text;
};

test("4) Deploy a Revision from source", { timeout: 300_000 }, () => playFourth(stage));
test("5) Deploy a Function", { timeout: 300_000 }, () => playFifth(stage));

describe("the command-line sessions", () => {
  const examples = resolve(import.meta.dirname, "../../../examples");
  const session = async (directory: string, ...args: string[]) => {
    const result = await platform.elafros(args, { cwd: directory });
    expect(result, `elafros ${args.join(" ")}`).toMatchObject({ code: 0, stderr: "" });
    return result.stdout;
  };
  const address = (service: string) => `http://${service}.default.${domain}:${platform.httpPort}`;

  test("4) deploy in a folder of source", { timeout: 300_000 }, async () => {
    const directory = join(platform.dataDir, "checkout");
    await cp(join(examples, "express"), directory, { recursive: true });
    // "User deploys a revision to an existing service from source"
    const output = await session(directory, "deploy", "--service", "my-service");
    expect(output).toBe(
      `Deploying app to service [my-service]:
✓ Uploading [=================]
✓ Detected [node-24] runtime
✓ Building
✓ Starting
✓ Promoting
Done.
Deployed to ${address("my-service")}
`,
    );
    expect(await served("my-service")).toBe("Hello World\n");
    expect(await served("my-service", "/items/7")).toBe('{"id":"7"}');
  });

  test("5) deploy a function", { timeout: 300_000 }, async () => {
    const directory = join(platform.dataDir, "function");
    await mkdir(directory);
    await writeFile(
      join(directory, "index.js"),
      "exports.index = (req, res) => { res.send(`Hello ${req.query.name}`); };\n",
    );
    await writeFile(join(directory, ".gitignore"), "secret.txt\n");
    await writeFile(join(directory, "secret.txt"), "not for the image\n");
    const output = await session(directory, "deploy", "--function", "index", "--service", "my-node-function");
    expect(output).toBe(
      `✓ Creating service [my-node-function] in region [local]
Deploying function to service [my-node-function]:
✓ Uploading [=================]
✓ Detected [node-24] runtime
✓ Building
✓ Starting
✓ Promoting
Done.
Deployed to ${address("my-node-function")}
`,
    );
    expect(await served("my-node-function", "/?name=you")).toBe("Hello you");
    // Again without a change: nothing is sent, the Build is used again, a new Revision serves.
    const again = await session(directory, "deploy");
    expect(again.split("\n")).not.toContain("✓ Uploading [=================]");
    const revisions = (await platform.json(
      "GET",
      `${api}/revisions?labelSelector=elafros.dev/configuration=my-node-function`,
    )) as {
      items: { spec: { buildName: string; concurrencyModel: string } }[];
    };
    expect(revisions.items.map(({ spec }) => [spec.buildName, spec.concurrencyModel])).toEqual([
      ["my-node-function-00001", "SingleThreaded"],
      ["my-node-function-00001", "SingleThreaded"],
    ]);
  });
});
