/**
 * Plays scenarios 4 and 5 of the normative examples on a platform, whichever it is: the requests as they stand there, from a git server over HTTPS that asks for a
 * password, built for real and pushed to a registry. Each function rejects with what differs.
 */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { openPki, type Pki } from "../../../src/apiserver/pki.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { gitHttps } from "../../support/git-https.ts";
import { makeRepository, type Repository } from "../../support/git-repository.ts";
import { eventually, run } from "../../support/platform.ts";
import { fifth, fourth, second } from "./examples.ts";
import type { Stage } from "./player.ts";
import { compare, fill } from "./transcript.ts";

/** Where builds are played. */
export interface BuildStage extends Pick<Stage, "namespace" | "domain" | "call" | "ask"> {
  /** Where images go: `HOST:PORT`. */
  registry: { host: string };
  sources: Sources;
}

/** The git server's repositories, and its name and port as builds reach it; it runs on this machine, while a test does. */
export interface Sources {
  root: string;
  host: string;
  port: number;
  pki: Pki;
  app: Repository;
  function: Repository;
}

const user = { name: "robot", password: "s3cret p:w" };

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

/** Makes the repositories below a directory. */
export async function makeSources(dir: string, { host, port }: Pick<Sources, "host" | "port">): Promise<Sources> {
  const root = join(dir, "git");
  return {
    root,
    host,
    port,
    pki: await openPki({ dir: join(dir, "git-pki"), names: [host], clock: systemClock }),
    app: await makeRepository(join(root, "app.git")),
    function: await makeRepository(join(root, "function.git")),
  };
}

/** The Secret that lets builds in, as its user writes it, and what its ServiceAccount is given of it. */
export function sourcesSecret({ host, port, pki }: Sources, name = "git") {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, annotations: { "build.dev/git-0": `https://${host}:${port}` } },
    type: "kubernetes.io/basic-auth",
    stringData: { username: user.name, password: user.password, "ca.crt": pki.ca },
  };
  return { secret, account: { secrets: [{ name }] } };
}

/** A stage with what the scenarios do on it. */
class BuildPlayer {
  private readonly stage: BuildStage;
  private readonly api: string;

  constructor(stage: BuildStage) {
    this.stage = stage;
    this.api = `/apis/elafros.dev/v1alpha1/namespaces/${stage.namespace}`;
  }

  url(repository: string): string {
    const { host, port } = this.stage.sources;
    return `https://${host}:${port}/${repository}.git`;
  }

  async send(method: string, path: string, document: string): Promise<void> {
    const answer = await this.stage.call(method, `${this.api}/${path}`, document);
    strictEqual(answer.status, method === "POST" ? 201 : 200, `${method} ${path}: ${answer.text}`);
  }

  async read(path: string): Promise<unknown> {
    return JSON.parse((await this.stage.call("GET", path)).text);
  }

  list(plural: string): Promise<unknown> {
    return this.read(`${this.api}/${plural}`);
  }

  /** GETs until the answer is as the example shows it. */
  get(path: string, example: string, bindings: Record<string, string>): Promise<unknown> {
    return eventually(
      `GET ${path} answers as the example shows`,
      async () => {
        const answer = await this.list(path);
        const faults = compare(answer, example, bindings);
        if (faults.length === 0) return answer;
        throw new Error(`${faults.join("; ")} in ${JSON.stringify(answer)}`);
      },
      { timeoutMs: 240_000, everyMs: 200 },
    );
  }

  async serves(service: string, expected: string): Promise<void> {
    const { namespace, domain } = this.stage;
    await eventually(`${service} answers ${JSON.stringify(expected)}`, async () => {
      const answer = await this.stage.ask(`${service}.${namespace}.${domain}`, "/");
      if (answer.text === expected) return true;
      throw new Error(`${answer.status}: ${answer.text}`);
    });
  }

  /** The digest under which the registry has an image. */
  async pushed(image: string): Promise<string> {
    const args = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${image}`];
    const { stdout, stderr } = await run("skopeo", args);
    return stdout.trim() || stderr;
  }

  /** A Route as the examples make it, for a service of any name. */
  route(service: string): Promise<void> {
    return this.send("POST", "routes", second.postRoute.replaceAll("my-service", service));
  }
}

/** 4) Deploy a Revision from source, then from updated source. */
export async function playFourth(stage: BuildStage): Promise<void> {
  const { sources, registry, namespace } = stage;
  const player = new BuildPlayer(stage);
  const server = await gitHttps({ root: sources.root, tls: sources.pki.serving(), user, port: sources.port });
  const url = player.url("app");
  const commit = await sources.app.commit(app);
  const image = `${registry.host}/my-service`;
  const bindings = { abc: "my-service-00001", "gcr.io/...": image, "https://...": url, "...": commit };
  await player.route("my-service");
  await player.send("POST", "configurations", fill(fourth.postConfiguration, bindings));
  const revision = (await player.get("revisions/my-service-00001", fourth.revision, bindings)) as {
    spec: { buildName: string };
    status: { imageDigest: string; imageSource: object };
  };
  deepStrictEqual(revision.status.imageSource, { repository: url, context: commit });
  match(revision.status.imageDigest, new RegExp(`^${image}@sha256:[0-9a-f]{64}$`, "u"));
  await player.serves("my-service", "bar world\n");
  strictEqual(server.seen.includes(`${user.name}:${user.password}`), true, "the git server was asked as that user");

  // "a container image built by the system", where the destination said, under the digest that runs.
  strictEqual(await player.pushed(image), revision.status.imageDigest.split("@")[1]);
  // The builder of that name is old: its nearest successor builds, and an Event says so.
  const events = await player.read(`/api/v1/namespaces/${namespace}/events`);
  const told = (events as { items: { involvedObject: { name: string }; message: string }[] }).items
    .filter(({ involvedObject }) => involvedObject.name === revision.spec.buildName)
    .map(({ message }) => message);
  match(told.join("\n"), /8\.9\.4/u);

  // "in this case, updated source would be provided": a new build, a new Revision.
  const next = await sources.app.commit({
    "server.js": app["server.js"].replace("response.end(`", "response.end(`2 "),
  });
  const patch = JSON.stringify({ spec: { build: { source: { git: { url, commit: next } } } } });
  await player.send("PATCH", "configurations/my-service", patch);
  await player.get("revisions/my-service-00002", fourth.revision, {
    ...bindings,
    abc: "my-service-00002",
    "...": next,
  });
  await player.serves("my-service", "2 bar world\n");
}

/** 5) Deploy a Function. */
export async function playFifth(stage: BuildStage): Promise<void> {
  const { sources, registry } = stage;
  const player = new BuildPlayer(stage);
  await gitHttps({ root: sources.root, tls: sources.pki.serving(), user, port: sources.port });
  const url = player.url("function");
  const commit = await sources.function.commit(goFunction);
  const image = `${registry.host}/my-function`;
  const bindings = { abc: "my-function-00001", "gcr.io/...": image, "https://...": url, "...": commit };
  await player.send("POST", "configurations", fill(fifth.postConfiguration, bindings));
  await player.route("my-function");
  // "a new Revision is created per the previous examples"
  const shown = fourth.revision.replaceAll("my-service", "my-function");
  const revision = (await player.get("revisions/my-function-00001", shown, bindings)) as {
    metadata: { labels: Record<string, string> };
    spec: { concurrencyModel: string; timeoutSeconds: number };
  };
  strictEqual(revision.metadata.labels["elafros.dev/type"], "function");
  const { concurrencyModel, timeoutSeconds } = revision.spec;
  deepStrictEqual({ concurrencyModel, timeoutSeconds }, { concurrencyModel: "SingleThreaded", timeoutSeconds: 20 });
  await player.serves("my-function", "bar world\n");
  // "supporting listing revisions by type"
  const functions = await player.list("revisions?labelSelector=elafros.dev/type=function");
  const names = (functions as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
  deepStrictEqual(names, ["my-function-00001"]);
}
