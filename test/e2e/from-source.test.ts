/**
 * The example programs, each deployed from its folder and asked over HTTP; a repository that is cloned over ssh; and a function of one instance, whose requests
 * never overlap. Node.js' dependencies come from npm's registry. Python's and Go's registries can't be reached from where these tests run, so those programs
 * have no dependencies: what their builders do with some is tested as far as the Dockerfile (src/runtime/builder/languages.test.ts).
 */
import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeRepository } from "../support/git-repository.ts";
import { eventually, freePort, type TestPlatform } from "../support/platform.ts";
import { sshServer } from "../support/ssh-server.ts";
import { startBuildingPlatform } from "../support/stand-ins.ts";

const examples = resolve(import.meta.dirname, "../../examples");
const api = "/apis/elafros.dev/v1alpha1/namespaces/default";
const timeout = 300_000;
let platform: TestPlatform;
let sshPort: number;

beforeAll(async () => {
  sshPort = await freePort();
  platform = await startBuildingPlatform(["--allow-host", String(sshPort)]);
}, timeout);
afterAll(() => platform?.purge());

/** Deploys a copy of a folder, in which the CLI may remember what it did. */
async function deploy(service: string, source: string, ...flags: string[]): Promise<string> {
  const directory = join(platform.dataDir, "sources", service);
  await cp(source, directory, { recursive: true });
  const result = await platform.elafros(["deploy", "--service", service, ...flags], { cwd: directory });
  expect(result.code, `${result.stdout}\n${result.stderr}`).toBe(0);
  return result.stdout;
}

const ask = (service: string, path = "/", options = {}) => platform.ask(`${service}.default.localhost`, path, options);

async function patch(path: string, body: object): Promise<void> {
  const type = { "content-type": "application/merge-patch+json" };
  const answer = await platform.call("PATCH", path, JSON.stringify(body), type);
  expect(answer.status, answer.text).toBeLessThan(300);
}

async function create(path: string, object: object): Promise<void> {
  const made = await platform.call("POST", path, JSON.stringify(object));
  expect(made.status, made.text).toBe(201);
}

describe("the examples, each deployed from its folder", () => {
  test.each([
    ["typescript", "[node-24]", "/?name=you", '{"hello":"you"}'],
    ["python", "[python-3]", "/", '{"hello": "World"}'],
    ["go", "[go-1]", "/", "Hello World\n"],
    ["dockerfile", "[dockerfile]", "/", "<h1>"],
    ["static", "[static]", "/", "<html"],
  ])("%s", { timeout }, async (name, runtime, path, expected) => {
    expect(await deploy(name, join(examples, name))).toContain(`✓ Detected ${runtime} runtime\n`);
    const answer = await ask(name, path);
    expect(answer.status).toBe(200);
    expect(answer.text).toContain(expected);
    if (name !== "static") return;
    const missing = await ask(name, "/no/such/page");
    expect(missing.status).toBe(404);
    expect(missing.headers["content-type"]).toMatch(/^text\/html/);
    expect((await ask(name, "/assets/style.css")).headers["content-type"]).toMatch(/^text\/css/);
  });

  test("cloudevents, and an event by invoke", { timeout }, async () => {
    await deploy("events", join(examples, "cloudevents"), "--function");
    const flags = ["--event", "com.example.order", "--event-id", "e-1", "--data", '{"id":"o-7"}'];
    const invoked = await platform.elafros(["invoke", "events", ...flags]);
    expect(invoked.code, invoked.stderr).toBe(0);
    await eventually("the function has logged the event", async () => {
      const { stdout } = await platform.elafros(["logs", "--service", "events"]);
      return stdout.includes("Order o-7 (event e-1 of type com.example.order");
    });
  });
});

test("layers of a base image are kept once, whoever builds on it", async () => {
  const kept = await readdir(join(platform.dataDir, "bases/blobs"));
  const caches = join(platform.dataDir, "builds/cache");
  const copies: string[] = [];
  for (const cache of await readdir(caches)) {
    const blobs = join(caches, cache, "blobs/sha256");
    for (const entry of await readdir(blobs, { withFileTypes: true })) if (entry.isFile()) copies.push(entry.name);
  }
  expect(kept.length).toBeGreaterThan(0);
  // The build that was the first to use a layer had to make it, unless that was another installation's.
  const twice = kept.filter((name) => copies.filter((copy) => copy === name).length > 1);
  expect(twice).toEqual([]);
});

describe("a repository over ssh", () => {
  test("is cloned with the key of the ServiceAccount's Secret", { timeout }, async () => {
    const server = await sshServer(join(platform.dataDir, "ssh"), sshPort);
    const repository = await makeRepository(join(platform.dataDir, "site.git"));
    const commit = await repository.commit({ "index.html": "<html>from ssh</html>\n" });
    const known = server.knownHosts.replaceAll("127.0.0.1", "host.elafros.internal");
    await create("/api/v1/namespaces/default/secrets", {
      metadata: { name: "deploy-key", annotations: { "build.dev/git-0": "host.elafros.internal" } },
      type: "kubernetes.io/ssh-auth",
      stringData: { "ssh-privatekey": server.key, known_hosts: known },
    });
    await create("/api/v1/namespaces/default/serviceaccounts", {
      metadata: { name: "builder" },
      secrets: [{ name: "deploy-key" }],
    });
    const url = `ssh://root@host.elafros.internal:${sshPort}${repository.path}`;
    await create(`${api}/routes`, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: "site" },
      spec: { rollout: { traffic: [{ configurationName: "site", percent: 100 }] } },
    });
    await create(`${api}/configurations`, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      metadata: { name: "site" },
      spec: {
        build: {
          serviceAccountName: "builder",
          source: { git: { url, commit } },
          template: {
            name: "static",
            namespace: "build-templates",
            arguments: [{ name: "_IMAGE", value: "localhost/site" }],
          },
        },
        revisionTemplate: { spec: { container: { image: "localhost/site" } } },
      },
    });
    await eventually("the site is served", async () => (await ask("site")).text === "<html>from ssh</html>\n", {
      timeoutMs: 120_000,
    });
    const revision = (await platform.json("GET", `${api}/revisions/site-00001`)) as {
      status: { imageSource: { repository: string; context: string } };
    };
    expect(revision.status.imageSource.context).toBe(commit);
  });
});

describe("a function of one instance", () => {
  /** Says the order of its requests, how many were under way at most, and never ends for `?hang`. */
  const source = `let running = 0, most = 0;
const order = [];
exports.index = async (req, res) => {
  running += 1;
  most = Math.max(most, running);
  if (req.query.hang) return; // never answers
  if (req.query.n !== undefined) order.push(Number(req.query.n));
  await new Promise((done) => setTimeout(done, 30));
  running -= 1;
  res.json({ most, order });
};
`;

  test(
    "takes 50 requests at once one after the other, in order, and one that hangs holds up nobody for ever",
    { timeout },
    async () => {
      const folder = join(platform.dataDir, "one-at-a-time");
      await mkdir(folder);
      await writeFile(join(folder, "index.js"), source);
      await deploy("single", folder, "--function", "index", "--timeout", "30s");
      const annotations = { "autoscaling.elafros.dev/max-scale": "1", "autoscaling.elafros.dev/min-scale": "1" };
      await patch(`${api}/configurations/single`, {
        spec: { revisionTemplate: { metadata: { annotations } } },
      });
      await eventually(
        "the Revision of one instance serves",
        async () => {
          const { status } = (await platform.json("GET", `${api}/routes/single`)) as {
            status: { traffic: { revisionName: string; percent: number }[] };
          };
          return status.traffic[0]?.revisionName === "single-00002" && status.traffic[0].percent === 100;
        },
        { timeoutMs: 120_000 },
      );

      const numbers = Array.from({ length: 50 }, (_, index) => index);
      const sentAt: number[] = [];
      const asked: Promise<{ status: number; text: string }>[] = [];
      for (const number of numbers) {
        sentAt.push(performance.now());
        asked.push(ask("single", `/?n=${number}`));
        await new Promise((next) => setTimeout(next, 10));
      }
      const answers = await Promise.all(asked);
      expect(answers.map(({ status }) => status)).toEqual(numbers.map(() => 200));
      const { most, order } = JSON.parse((await ask("single")).text) as { most: number; order: number[] };
      expect(most).toBe(1);
      expect(order.toSorted((a, b) => a - b)).toEqual(numbers);
      // Which of two came first can't be told from outside where they were sent at nearly the same time.
      const sent = (number: number | undefined) => sentAt[number ?? 0] ?? 0;
      const overtaken = order.filter((number, at) =>
        order.slice(0, at).some((before) => sent(before) > sent(number) + 250),
      );
      expect(overtaken).toEqual([]);

      const [before] = await pods();
      // Its client leaves; the slot is held as long as it may be working, then the instance is replaced.
      const signal = AbortSignal.timeout(2_000);
      const hung = ask("single", "/?hang=1", { signal });
      await new Promise((next) => setTimeout(next, 50));
      const behind = Array.from({ length: 5 }, () => ask("single"));
      await expect(hung).rejects.toThrow();
      for (const answer of await Promise.all(behind)) expect(answer.status, answer.text).toBe(200);
      const after = JSON.parse((await ask("single")).text) as { most: number };
      expect(after.most).toBe(1);
      expect(await pods()).not.toContain(before);
    },
  );

  async function pods(): Promise<string[]> {
    const path = "/api/v1/namespaces/default/pods?labelSelector=elafros.dev/revision=single-00002";
    const { items } = (await platform.json("GET", path)) as { items: { metadata: { name: string } }[] };
    return items.map(({ metadata }) => metadata.name);
  }
});
