/** Uploads of sources to a real API server, kept on a real disk. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import type { ClientRequest, IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { describe, expect, onTestFinished, test } from "vitest";

import { openSourceStore } from "../../src/runtime/source-store.ts";
import { type ApiBench, apiBench, type BenchOptions } from "../support/api-server.ts";
import { manualClock } from "../support/manual-clock.ts";

const run = promisify(execFile);
const mebibyte = 1 << 20;
const digestOf = (content: string | Uint8Array) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
const pathOf = (digest: string, namespace = "default") =>
  `/apis/build.dev/v1alpha1/namespaces/${namespace}/sources/${digest}`;

interface Uploads extends ApiBench {
  dir: string;
  /** Files below the store's directory. */
  files: () => Promise<string[]>;
}

async function uploads(options: { maxBytes?: number; dir?: string; bench?: BenchOptions } = {}): Promise<Uploads> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "elafros-uploads-")));
  if (options.dir === undefined) onTestFinished(() => rm(dir, { recursive: true }));
  const sources = await openSourceStore({ dir, maxBytes: options.maxBytes ?? 64 * mebibyte, reserveBytes: 0 });
  const bench = await apiBench({ ...options.bench, sources });
  const files = async () => {
    const all = await readdir(dir, { recursive: true, withFileTypes: true });
    return all.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name).slice(dir.length + 1));
  };
  return { ...bench, dir, files };
}

/** An upload whose body the test writes by itself. */
function begin(bench: ApiBench, digest: string, headers: Record<string, string> = {}): ClientRequest {
  const { port, pki, admin } = bench;
  const request = httpsRequest({
    host: "127.0.0.1",
    port,
    ca: pki.ca,
    cert: admin.cert,
    key: admin.key,
    agent: false,
    method: "PUT",
    path: pathOf(digest),
    headers: { "content-type": "application/octet-stream", ...headers },
  });
  request.on("error", () => {}); // also once it has ended
  return request;
}

/** Bytes of each unfinished upload. */
async function sizes(dir: string): Promise<number[]> {
  const unfinished = join(dir, ".incoming");
  return Promise.all((await readdir(unfinished)).map(async (name) => (await stat(join(unfinished, name))).size));
}

describe("PUT and HEAD of sources", () => {
  test("keep an archive under its digest: 404, 201, 200 with its length, 200 again", async () => {
    const bench = await uploads();
    const content = Buffer.alloc(5 * mebibyte, "x");
    const digest = digestOf(content);
    const missing = await bench.ask("HEAD", pathOf(digest));
    expect([missing.status, missing.text]).toEqual([404, ""]);
    const put = await bench.ask("PUT", pathOf(digest), { body: content });
    expect(put.status, put.text).toBe(201);
    expect(put.json).toEqual({
      kind: "Source",
      apiVersion: "build.dev/v1alpha1",
      metadata: { name: digest, namespace: "default" },
      status: { bytes: content.length, location: `upload:${digest}` },
    });
    const found = await bench.ask("HEAD", pathOf(digest));
    expect([found.status, found.headers["content-length"], found.text]).toEqual([200, String(content.length), ""]);
    expect((await bench.ask("PUT", pathOf(digest), { body: content })).status).toBe(200);
    expect(await bench.files()).toEqual([`default/${digest.replace(":", "-")}`]);
    expect((await bench.ask("HEAD", pathOf(digest, "build-templates"))).status).toBe(404);
  });

  test("take a hundred uploads of one digest at once, and keep one archive", async () => {
    const bench = await uploads();
    const content = Buffer.alloc(200_000, "y");
    const digest = digestOf(content);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => bench.ask("PUT", pathOf(digest), { body: content })),
    );
    expect(answers.filter(({ status }) => status !== 200 && status !== 201)).toEqual([]);
    expect(await bench.files()).toEqual([`default/${digest.replace(":", "-")}`]);
  });

  test.each([
    ["another digest", 422, "Invalid", "The archive that was sent has the digest"],
    ["no digest", 400, "BadRequest", "is no digest of a source: it must be sha256: and 64 hex digits, in lower case"],
    ["a namespace that isn't there", 404, "NotFound", 'namespaces "nowhere" not found'],
    ["an encoding", 415, "UnsupportedMediaType", 'bodies with Content-Encoding "gzip" are not read'],
    ["a final slash", 400, "BadRequest", "the path of a source must end with its digest, without a slash behind it"],
    ["another method", 405, "MethodNotAllowed", "sources.build.dev are uploaded with PUT, and looked for with HEAD"],
    ["no name", 405, "MethodNotAllowed", "sources.build.dev are uploaded with PUT, and looked for with HEAD"],
  ])("refuse %s with %i and keep nothing", async (what, status, reason, message) => {
    const bench = await uploads();
    const digest = digestOf("content");
    const paths: Record<string, string> = {
      "another digest": pathOf(digestOf("other")),
      "no digest": pathOf(digest.toUpperCase()),
      "a namespace that isn't there": pathOf(digest, "nowhere"),
      "a final slash": `${pathOf(digest)}/`,
      "no name": pathOf("").slice(0, -1),
    };
    const method = what === "another method" ? "PATCH" : "PUT";
    const headers = what === "an encoding" ? { "content-encoding": "gzip" } : {};
    const answer = await bench.ask(method, paths[what] ?? pathOf(digest), { body: "content", headers });
    expect(answer.json).toMatchObject({ kind: "Status", code: status, reason });
    expect(answer.text).toContain(JSON.stringify(message).slice(1, -1));
    expect(await bench.files()).toEqual([]);
    expect((await bench.ask("PUT", pathOf(digest), { body: "content" })).status).toBe(201);
  });

  test("refuse what is too large before it is sent, and while it is where nobody said how much comes", async () => {
    const bench = await uploads({ maxBytes: mebibyte });
    const content = Buffer.alloc(2 * mebibyte, "z");
    const said = await bench.ask("PUT", pathOf(digestOf(content)), { body: content });
    expect(said.json).toMatchObject({
      code: 413,
      reason: "RequestEntityTooLarge",
      message: "The archive has 2 MiB, and the limit is 1 MiB (--max-source-size)",
    });
    const request = begin(bench, digestOf(content), { "transfer-encoding": "chunked" });
    const answered = once(request, "response") as Promise<[IncomingMessage]>;
    request.end(content);
    const [response] = await answered;
    expect(response.statusCode).toBe(413);
    const text = Buffer.concat((await response.toArray()) as Buffer[]).toString();
    expect(JSON.parse(text)).toMatchObject({ message: "The archive is over the limit of 1 MiB (--max-source-size)" });
    expect(await bench.files()).toEqual([]);
  });

  test("leave nothing of an upload that is broken off", async () => {
    const bench = await uploads();
    const content = Buffer.alloc(mebibyte, "a");
    const request = begin(bench, digestOf(content), { "content-length": String(content.length) });
    request.write(content.subarray(0, mebibyte / 2));
    await expect.poll(bench.files).toHaveLength(1);
    request.destroy();
    await expect.poll(bench.files).toEqual([]);
    expect((await bench.ask("HEAD", pathOf(digestOf(content)))).status).toBe(404);
  });

  test("end an upload that stands still, and no other", async () => {
    const clock = manualClock(Date.now());
    const bench = await uploads({ bench: { clock } });
    const content = Buffer.alloc(mebibyte, "b");
    const still = begin(bench, digestOf(content), { "content-length": String(content.length) });
    const ended = new Promise((resolve) => still.once("close", resolve));
    still.write(content.subarray(0, 1000));
    await expect.poll(bench.files).toHaveLength(1);
    const slow = begin(bench, digestOf("slow"), { "content-length": "4" });
    const answered = once(slow, "response") as Promise<[IncomingMessage]>;
    slow.write("s");
    await expect.poll(bench.files).toHaveLength(2);
    await clock.advance(45_000);
    slow.write("l");
    await expect.poll(() => sizes(bench.dir)).toContain(2);
    await clock.advance(60_000);
    await ended;
    slow.end("ow");
    const [response] = await answered;
    expect(response.statusCode).toBe(201);
    expect(await bench.files()).toEqual([`default/${digestOf("slow").replace(":", "-")}`]);
  });

  test("say that the disk is full, and go on when it no longer is", async () => {
    const base = await mkdtemp(join(tmpdir(), "elafros-uploads-"));
    const dir = join(base, "small");
    await mkdir(dir);
    await run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", dir]);
    onTestFinished(async () => {
      await run("umount", [dir]);
      await rm(base, { recursive: true });
    });
    const bench = await uploads({ dir });
    const large = Buffer.alloc(3 * mebibyte, "c");
    const refused = await bench.ask("PUT", pathOf(digestOf(large)), { body: large });
    expect(refused.json).toMatchObject({
      code: 503,
      reason: "ServiceUnavailable",
      message: "There is no room for the archive on the server's disk; free some space there, then send it again",
    });
    expect(await bench.files()).toEqual([]);
    expect((await bench.ask("PUT", pathOf(digestOf("small")), { body: "small" })).status).toBe(201);
  });
});

describe("rights", () => {
  const rbac = "/apis/rbac.authorization.k8s.io/v1";

  async function bind(bench: ApiBench, user: string, role: string): Promise<void> {
    const answer = await bench.ask("POST", `${rbac}/namespaces/default/rolebindings`, {
      body: {
        metadata: { name: user },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
        subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: user }],
      },
    });
    expect(answer.status, answer.text).toBe(201);
  }

  test("to upload and look are create and get of sources: edit and admin have them, view and others not", async () => {
    const bench = await uploads();
    const digest = digestOf("content");
    for (const [user, role] of Object.entries({ eve: "edit", adam: "admin", vic: "view", otto: undefined })) {
      if (role !== undefined) await bind(bench, user, role);
      const as = await bench.pki.issueClient({ user, groups: [] });
      const put = await bench.ask("PUT", pathOf(digest), { body: "content", as });
      const head = await bench.ask("HEAD", pathOf(digest), { as });
      const may = role === "edit" || role === "admin";
      expect([user, put.status === 403, head.status]).toEqual([user, !may, may ? 200 : 403]);
      if (may) continue;
      expect(put.json).toMatchObject({
        message: `sources.build.dev "${digest}" is forbidden: User "${user}" cannot create resource "sources" in API group "build.dev" in the namespace "default"`,
      });
      // Nothing of another namespace either.
      expect((await bench.ask("PUT", pathOf(digest, "build-templates"), { body: "content", as })).status).toBe(403);
    }
    expect((await bench.ask("PUT", pathOf(digest), { body: "content", as: null })).status).toBe(401);
  });

  test("are asked for before the body is read", async () => {
    const bench = await uploads();
    const { port, pki } = bench;
    const { cert, key } = await pki.issueClient({ user: "otto", groups: [] });
    const headers = { "content-length": String(64 * mebibyte) };
    const options = { host: "127.0.0.1", port, ca: pki.ca, cert, key, agent: false, method: "PUT", headers };
    const request = httpsRequest({ ...options, path: pathOf(digestOf("x")) });
    request.on("error", () => {});
    request.flushHeaders();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(403);
    request.destroy();
  });

  test("a namespace that goes takes no more uploads", async () => {
    const bench = await uploads();
    const where = "/api/v1/namespaces";
    await bench.ask("POST", where, { body: { metadata: { name: "old", finalizers: ["test/hold"] } } });
    expect((await bench.ask("PUT", pathOf(digestOf("a"), "old"), { body: "a" })).status).toBe(201);
    await bench.ask("DELETE", `${where}/old`);
    const refused = await bench.ask("PUT", pathOf(digestOf("b"), "old"), { body: "b" });
    expect(refused.json).toMatchObject({
      code: 403,
      message: `sources.build.dev "${digestOf("b")}" is forbidden: unable to upload it because namespace old is being terminated`,
    });
  });
});

test("discovery has sources, and a server without a place for them says so", async () => {
  const bench = await apiBench();
  const list = await bench.ask("GET", "/apis/build.dev/v1alpha1");
  const { resources } = list.json as { resources: { name: string }[] };
  expect(resources.find(({ name }) => name === "sources")).toEqual({
    name: "sources",
    singularName: "",
    namespaced: true,
    kind: "Source",
    verbs: ["create", "get"],
  });
  expect((await bench.ask("PUT", pathOf(digestOf("a")), { body: "a" })).json).toMatchObject({
    code: 503,
    message: "sources are not taken here: this server has no place for them",
  });
});
