/** The controllers' door to the installation's registry, a real one: what a build's Pod and a user's upload do through it. */
import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiError } from "../../src/api/meta/errors.ts";
import type { Secret } from "../../src/api/secret.ts";
import type { Client } from "../../src/client/client.ts";
import { createBuildRegistry, pathInNamespace } from "../../src/kubernetes/builds/registry.ts";
import { takeImage } from "../../src/kubernetes/builds/result/take.ts";
import { createClusterImages } from "../../src/kubernetes/images/port.ts";
import { listUploads } from "../../src/kubernetes/sources/manifest.ts";
import { createUploadNamespaces, type UploadNamespaces } from "../../src/kubernetes/sources/namespaces.ts";
import { createClusterSources } from "../../src/kubernetes/sources/port.ts";
import { silentLog } from "../../src/lib/log.ts";
import { createBuildDoor } from "../../src/platform/cluster/build-door.ts";
import { linkServerName, openLinkCertificate } from "../../src/platform/cluster/link-certificate.ts";
import { listen } from "../../src/platform/cluster/listen.ts";
import { registryAuths } from "../../src/reconcilers/revision/pull-secrets.ts";
import type { Repository } from "../../src/runtime/registry/repository.ts";
import type { SourcesPort } from "../../src/runtime/sources.ts";
import { writeLayout } from "../support/layout.ts";
import { manualClock } from "../support/manual-clock.ts";
import { memoryCluster } from "../support/memory-cluster.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

const run = promisify(execFile);
const user = { username: "controllers", password: "s3cret" };
let dir: string;
let registry: TestRegistry;
let door: Awaited<ReturnType<typeof listen>>;
let ca: string;
let manifest: string;
let sources: SourcesPort;
let namespaces: UploadNamespaces;
let repository: () => Promise<Repository>;
const clock = manualClock();

/** The API server as far as the door asks it: tokens are `ACCOUNT@NAMESPACE`. */
const create = (async (_: unknown, { spec }: { spec: { token: string } }) => {
  const [account = "", namespace = ""] = spec.token.split("@");
  if (namespace === "") return { status: { authenticated: false, error: "the token isn't valid" } };
  const username = `system:serviceaccount:${namespace}:${account}`;
  return { status: { authenticated: true, audiences: ["builds.elafros.dev"], user: { username } } };
}) as unknown as Client["create"];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-door-"));
  registry = await startRegistry({ auth: user });
  manifest = await writeLayout(join(dir, "image"));
  await writeFile(join(dir, "token"), "builder@team\n");
  const cluster = memoryCluster();
  const { client } = cluster;
  const missing = () => Promise.reject(new ApiError("NotFound", "none"));
  const pair = await openLinkCertificate({ ...client, get: missing }, "elafros-system", manualClock(Date.now()));
  ca = pair.cert;
  const login = JSON.stringify({ auths: { [registry.host]: user } });
  const stored = { data: { ".dockerconfigjson": Buffer.from(login).toString("base64") } } as unknown as Secret;
  const behind = createBuildRegistry({
    client: { get: (() => Promise.resolve(stored)) as unknown as Client["get"] },
    place: `${registry.host}/elafros`,
    secret: { namespace: "elafros-system", name: "registry" },
    authsOf: (secret) => registryAuths([secret]),
  });
  namespaces = createUploadNamespaces(client, { namespace: "elafros-system", name: "uploads" });
  sources = createClusterSources({ registry: behind, namespaces, clock });
  repository = () => behind.open("team", "elafros-uploads", { signal: new AbortController().signal });
  const options = { pair, client: { create }, registry: behind, sources, clock, log: silentLog };
  door = await listen(createBuildDoor(options), 0);
});
afterAll(async () => {
  await door.close();
  await registry.close();
  await rm(dir, { recursive: true });
});

/** A request to the door, whatever it answers. */
function ask(method: string, path: string, { token, body = "" }: { token?: string; body?: string | Buffer } = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const headers = { ...(token === undefined ? {} : { "x-elafros-token": token }), "content-length": body.length };
    const options = { host: "127.0.0.1", port: door.port, method, path, headers, ca, servername: linkServerName };
    const outgoing = request(options, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

const to = (path: string) => ({
  host: `127.0.0.1:${door.port}`,
  path,
  ca,
  serverName: linkServerName,
  tokenFile: join(dir, "token"),
});
const login = () => [{ registry: registry.host, ...user }];

test("an image whose name has no registry goes through the door, below its namespace, without credentials in the Pod", async () => {
  const name = `${registry.host}/elafros/team/shop`;
  const places = { layout: join(dir, "image"), digest: join(dir, "none") };
  const said: string[] = [];
  const push = () =>
    takeImage(
      { image: "localhost/team/shop", registryAuths: [], door: { to: to("team/shop"), name, tag: "latest" } },
      places,
      (line) => said.push(line),
    );
  expect(await push()).toEqual({ image: `${name}@${manifest}` });
  expect(await createClusterImages().resolve(`${name}:latest`, login(), "Always")).toBe(`${name}@${manifest}`);
  expect(await push()).toEqual({ image: `${name}@${manifest}` });
  expect(said).toEqual([
    expect.stringContaining(": 2 parts of 3"),
    expect.stringContaining(": 0 parts of 0 bytes were sent"),
  ]);
});

test("nobody comes to another namespace's images, or in without a token", async () => {
  const places = { layout: join(dir, "image"), digest: join(dir, "none") };
  const wanted = { image: "shop", registryAuths: [], door: { to: to("other/shop"), name: "n", tag: "latest" } };
  expect(await takeImage(wanted, places, () => {})).toMatchObject({
    failure: {
      reason: "PushFailed",
      message: expect.stringMatching(/is no ServiceAccount of namespace "other"|status 403/u),
    },
  });
  const blob = `/v2/team/shop/blobs/${manifest}`;
  expect((await ask("GET", blob)).status).toBe(401);
  expect((await ask("GET", blob, { token: "nonsense" })).status).toBe(401);
  expect((await ask("GET", blob, { token: "default@other" })).status).toBe(403);
  expect((await ask("GET", "/v2/../../team/shop/blobs/x", { token: "default@other" })).status).toBe(404);
  expect((await ask("DELETE", blob, { token: "default@team" })).status).toBe(405);
});

test("an upload is kept by its digest, is there for its namespace alone, and comes back into the Pod as it was", async () => {
  const archive = Buffer.alloc(3 << 20, "archive");
  const digest = `sha256:${createHash("sha256").update(archive).digest("hex")}`;
  const path = `/sources/team/${encodeURIComponent(digest)}`;
  const token = "default@team";
  expect((await ask("HEAD", path, { token })).status).toBe(404);
  expect((await ask("PUT", path, { token: "default@other", body: archive })).status).toBe(403);
  expect(await ask("PUT", path, { token, body: archive })).toEqual({
    status: 201,
    text: JSON.stringify({ status: { location: `upload:${digest}` } }),
  });
  expect((await ask("HEAD", path, { token })).status).toBe(200);
  expect((await ask("PUT", path, { token, body: archive })).status).toBe(200);
  expect((await ask("HEAD", path.replace("/team/", "/other/"), { token: "default@other" })).status).toBe(404);

  const upload = { digest, to: join(dir, "upload"), from: to("team/elafros-uploads") };
  await writeFile(
    join(dir, "prepare.json"),
    JSON.stringify({ home: [{ path: ".docker/config.json", from: "home-0" }], upload }),
  );
  await writeFile(join(dir, "home-0"), "{}");
  const program = join(import.meta.dirname, "../../src/kubernetes/builds/prepare/main.ts");
  await run(process.execPath, [program, join(dir, "prepare.json"), join(dir, "home")]);
  expect((await readFile(upload.to)).equals(archive)).toBe(true);
  expect(await readFile(join(dir, "home/.docker/config.json"), "utf8")).toBe("{}");
  const gone = { ...upload, digest: `sha256:${"0".repeat(64)}` };
  await writeFile(join(dir, "prepare.json"), JSON.stringify({ home: [], upload: gone }));
  await expect(run(process.execPath, [program, join(dir, "prepare.json"), dir])).rejects.toThrow(
    /upload the archive again/u,
  );
});

test("bytes that aren't what their digest says are refused, and leave nothing", async () => {
  const path = `/sources/team/sha256:${"0".repeat(64)}`;
  const token = "default@team";
  expect(await ask("PUT", path, { token, body: "other" })).toMatchObject({
    status: 422,
    text: expect.stringContaining("don't have the digest"),
  });
  expect((await ask("HEAD", path, { token })).status).toBe(404);
  expect((await ask("PUT", "/sources/team/md5:1", { token, body: "x" })).status).toBe(400);
});

test("uploads go once nothing names them, a while after they were last asked for, and those of a namespace that is gone", async () => {
  const hour = 3_600_000;
  const put = async (namespace: string, content: string) => {
    const bytes = Buffer.from(content);
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await sources.put(namespace, digest, Readable.from([bytes]));
    return digest;
  };
  const left = async () => {
    const within = await repository();
    const digests = await listUploads(within);
    within.close();
    return digests;
  };
  const named = await put("team", "named");
  const asked = await put("team", "asked for");
  const old = await put("team", "old");
  const gone = await put("gone", "of a namespace that is gone");
  expect((await namespaces.list()).toSorted()).toEqual(["gone", "team"]);
  const keep = new Set([`team/${named}`]);
  const rules = { keep, namespaces: new Set(["team"]), freshMs: hour, keepMs: 24 * hour, most: 20 };
  await clock.advance(hour / 2);
  await sources.prune(rules);
  expect(await sources.size("gone", gone)).toBe(27);
  await clock.advance(23 * hour);
  expect(await sources.size("team", asked)).toBe(9);
  await clock.advance(3 * hour);
  await sources.prune(rules);
  expect((await left()).toSorted()).toEqual([named, asked].toSorted());
  expect(await sources.size("team", old)).toBeUndefined();
  expect(await sources.size("gone", gone)).toBeUndefined();
  expect(await namespaces.list()).toEqual(["team"]);
  expect(await put("team", "old")).toBe(old);
  expect(await sources.size("team", old)).toBe(3);
});

test("whoever makes tokens up is let wait, and others aren't", async () => {
  const look = (token: string) => ask("HEAD", `/sources/team/sha256:${"0".repeat(64)}`, { token });
  const statuses = [];
  await clock.advance(60_000);
  expect((await look("default@team")).status).toBe(404);
  for (let index = 0; index < 20; index += 1) statuses.push((await look(`made-up-${index}`)).status);
  expect(statuses).toEqual([...Array.from({ length: 19 }, () => 401), 429]);
  expect(await ask("GET", "/v2/team/shop/manifests/latest", { token: "another" })).toMatchObject({
    status: 429,
    text: expect.stringContaining(
      "More tokens that aren't known were shown than are asked for at once: try again in 1 s",
    ),
  });
  expect((await look("default@team")).status).toBe(404);
});

test.each([
  ["localhost/team/shop", "shop", "latest"],
  ["localhost/shop:2", "shop", "2"],
  ["shop", "shop", "latest"],
  ["team/shop", "shop", "latest"],
  ["library/shop", "library/shop", "latest"],
])("the image %s of namespace team is %s there", (image, path, tag) => {
  expect(pathInNamespace(image, "team")).toEqual({ path, tag });
});
