/**
 * Scenarios 4 and 5 of the normative examples: the requests as they stand there, from a git server over HTTPS that asks for a password, built for real and
 * pushed to a registry; then their command-line sessions, each output compared with the example line by line.
 */
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPki, type Pki } from "../../../src/apiserver/pki.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { gitHttps } from "../../support/git-https.ts";
import { makeRepository, type Repository } from "../../support/git-repository.ts";
import { eventually, freePort, run, type TestPlatform } from "../../support/platform.ts";
import { startRegistry, type TestRegistry } from "../../support/registry.ts";
import { startBuildingPlatform } from "../../support/stand-ins.ts";
import { api, fifth, fourth, second } from "./examples.ts";
import { compare, fill } from "./transcript.ts";

const domain = "mydomain.com";
const user = { name: "robot", password: "s3cret p:w" };
let registry: TestRegistry;
let platform: TestPlatform;
let pki: Pki;
let repositories: { root: string; app: Repository; function: Repository };
/** Where builds reach the git server, which runs on this machine. */
let gitPort: number;

/** Says what it has of its environment. */
const app = {
  "package.json": JSON.stringify({ name: "app", version: "1.0.0", scripts: { start: "node server.js" } }),
  "server.js": `const { createServer } = require("node:http");
const { FOO, HELLO } = process.env;
createServer((request, response) => response.end(\`\${FOO} \${HELLO}\\n\`)).listen(process.env.PORT);
`,
};
const goFunction = {
  "go.mod": "module example.com/index\n\ngo 1.19\n",
  "index.go": `// Package index is a function.
package index

import (
	"fmt"
	"net/http"
	"os"
)

// Index answers.
func Index(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s\\n", os.Getenv("FOO"), os.Getenv("HELLO"))
}
`,
};

beforeAll(async () => {
  registry = await startRegistry();
  gitPort = await freePort();
  platform = await startBuildingPlatform(["--domain", domain, "--allow-host", String(gitPort)]);
  pki = await openPki({ dir: join(platform.dataDir, "git-pki"), names: ["host.elafros.internal"], clock: systemClock });
  const root = join(platform.dataDir, "git");
  repositories = {
    root,
    app: await makeRepository(join(root, "app.git")),
    function: await makeRepository(join(root, "function.git")),
  };
  await send("POST", "/api/v1/namespaces/default/secrets", {
    metadata: { name: "git", annotations: { "build.dev/git-0": `https://host.elafros.internal:${gitPort}` } },
    type: "kubernetes.io/basic-auth",
    stringData: { username: user.name, password: user.password, "ca.crt": pki.ca },
  });
  const account = JSON.stringify({ secrets: [{ name: "git" }] });
  const type = { "content-type": "application/merge-patch+json" };
  expect(
    (await platform.call("PATCH", "/api/v1/namespaces/default/serviceaccounts/default", account, type)).status,
  ).toBe(200);
}, 300_000);

afterAll(async () => {
  await platform?.purge();
  await registry?.close();
});

async function send(method: string, path: string, body: object | string): Promise<void> {
  const answer = await platform.call(method, path, typeof body === "string" ? body : JSON.stringify(body));
  expect(answer.status, answer.text).toBe(method === "POST" ? 201 : 200);
}

/** GETs until the answer is as the example shows it; fails at once where the build failed. */
async function get(path: string, example: string, bindings: Record<string, string>): Promise<unknown> {
  return eventually(
    `GET ${path} answers as the example shows`,
    async () => {
      const answer = await platform.json("GET", `${api}/${path}`);
      const faults = compare(answer, example, bindings);
      if (faults.length === 0) return answer;
      throw new Error(`${faults.join("; ")} in ${JSON.stringify(answer)}`);
    },
    { timeoutMs: 180_000, everyMs: 200 },
  );
}

const served = async (service: string, path = "/") => {
  const answer = await platform.ask(`${service}.default.${domain}`, path);
  expect(answer.status, answer.text).toBe(200);
  return answer.text;
};

/** A Route as the examples make it, for a service of any name. */
const routeOf = (service: string) => second.postRoute.replaceAll("my-service", service);

describe("4) Deploy a Revision from source", () => {
  test("as the request and the answer stand there", { timeout: 300_000 }, async () => {
    const server = await gitHttps({ root: repositories.root, tls: pki.serving(), user, port: gitPort });
    const url = `https://host.elafros.internal:${gitPort}/app.git`;
    const commit = await repositories.app.commit(app);
    const image = `${registry.host}/my-service`;
    const bindings = { abc: "my-service-00001", "gcr.io/...": image, "https://...": url, "...": commit };
    await send("POST", `${api}/routes`, routeOf("my-service"));
    await send("POST", `${api}/configurations`, fill(fourth.postConfiguration, bindings));
    const revision = (await get("revisions/my-service-00001", fourth.revision, bindings)) as {
      spec: { buildName: string };
      status: { imageDigest: string; imageSource: object };
    };
    expect(revision.status.imageSource).toEqual({ repository: url, context: commit });
    expect(revision.status.imageDigest).toMatch(new RegExp(`^${image}@sha256:[0-9a-f]{64}$`, "u"));
    await eventually("the Route serves it", async () => (await served("my-service")) === "bar world\n");
    expect(server.seen).toContain(`${user.name}:${user.password}`);

    // "a container image built by the system", where the destination said, under the digest that runs.
    const pushed = await run("skopeo", [
      "inspect",
      "--tls-verify=false",
      "--format",
      "{{.Digest}}",
      `docker://${image}`,
    ]);
    expect(pushed.stdout.trim(), pushed.stderr).toBe(revision.status.imageDigest.split("@")[1]);
    // The builder of that name is old: its nearest successor builds, and an Event says so.
    const events = await platform.json("GET", "/api/v1/namespaces/default/events");
    const told = (events as { items: { involvedObject: { name: string }; message: string }[] }).items
      .filter(({ involvedObject }) => involvedObject.name === revision.spec.buildName)
      .map(({ message }) => message);
    expect(told.join("\n")).toContain("8.9.4");

    // "in this case, updated source would be provided": a new build, a new Revision.
    const next = await repositories.app.commit({
      "server.js": app["server.js"].replace("response.end(`", "response.end(`2 "),
    });
    const patch = JSON.stringify({ spec: { build: { source: { git: { url, commit: next } } } } });
    const type = { "content-type": "application/merge-patch+json" };
    expect((await platform.call("PATCH", `${api}/configurations/my-service`, patch, type)).status).toBe(200);
    await get("revisions/my-service-00002", fourth.revision, { ...bindings, abc: "my-service-00002", "...": next });
    await eventually("the Route serves the new source", async () => (await served("my-service")) === "2 bar world\n");
  });
});

describe("5) Deploy a Function", () => {
  test("as the request stands there", { timeout: 300_000 }, async () => {
    await gitHttps({ root: repositories.root, tls: pki.serving(), user, port: gitPort });
    const url = `https://host.elafros.internal:${gitPort}/function.git`;
    const commit = await repositories.function.commit(goFunction);
    const image = `${registry.host}/my-function`;
    const bindings = { abc: "my-function-00001", "gcr.io/...": image, "https://...": url, "...": commit };
    await send("POST", `${api}/configurations`, fill(fifth.postConfiguration, bindings));
    await send("POST", `${api}/routes`, routeOf("my-function"));
    // "a new Revision is created per the previous examples"
    const shown = fourth.revision.replaceAll("my-service", "my-function");
    const revision = await get("revisions/my-function-00001", shown, bindings);
    expect(revision).toMatchObject({
      metadata: { labels: { "elafros.dev/type": "function" } },
      spec: { concurrencyModel: "SingleThreaded", timeoutSeconds: 20 },
    });
    await eventually("the Route serves it", async () => (await served("my-function")) === "bar world\n");
    // "supporting listing revisions by type"
    const functions = await platform.json("GET", `${api}/revisions?labelSelector=elafros.dev/type=function`);
    expect(
      (functions as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name),
    ).toEqual(["my-function-00001"]);
  });
});

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
