/** Other people's HTTP/2 clients through the gateway, to apps of both versions: curl, nghttp and h2load. */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http2, { type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type App, type Bench, createBench, revisionOf, startApp } from "../support/gateway.ts";

const run = promisify(execFile);
const [plain, h2c] = ["plain.default.localhost", "h2c.default.localhost"];
const body = randomBytes(3_000_000);
const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
let bench: Bench;
let app: App;
let server: Http2Server;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-http2-clients-"));
  await writeFile(join(dir, "body"), body);
  bench = await createBench();
  const control = await bench.control();
  await bench.start();
  app = await startApp("plain", (req, res) => {
    const hash = createHash("sha256");
    req.on("data", (piece: Buffer) => hash.update(piece));
    req.on("end", () => res.end(req.url === "/large" ? body : hash.digest("hex")));
  });
  server = http2.createServer();
  server.on("stream", (stream, fields) => {
    const hash = createHash("sha256");
    stream.on("error", () => {});
    stream.on("data", (piece: Buffer) => hash.update(piece));
    stream.on("end", () => stream.end(fields[":path"] === "/large" ? body : hash.digest("hex")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const instances = [{ id: "h2c", host: "127.0.0.1", port }];
  const to = (revision: string) => ({ route: revision, targets: [{ revision, percent: 100 }] });
  await control.settle({
    hosts: { [plain]: to("default/plain"), [h2c]: to("default/h2c") },
    revisions: {
      "default/plain": revisionOf([app]),
      "default/h2c": revisionOf([], { protocol: "h2c", instances }),
    },
  });
});
afterAll(async () => {
  server.close();
  await app.close();
  await bench.close();
  await rm(dir, { recursive: true, force: true });
});

const url = (path = "/"): string => `http://127.0.0.1:${bench.port}${path}`;

test.each([
  ["prior knowledge", "--http2-prior-knowledge", plain, "2"],
  ["prior knowledge", "--http2-prior-knowledge", h2c, "2"],
  // Which RFC 9113 has dropped: answered in HTTP/1.1.
  ["an upgrade to h2c", "--http2", plain, "1.1"],
  ["HTTP/1.1", "--http1.1", h2c, "1.1"],
])("curl with %s (%s) uploads to and downloads from %s", async (_name, option, host, version) => {
  const curl = (args: string[]) =>
    run("curl", ["-sS", "--fail", "--noproxy", "*", option, "-H", `Host: ${host}`, ...args], {
      encoding: "buffer",
      maxBuffer: 2 * body.length,
    });
  const told = ["-w", "%{http_version}", "-o", join(dir, "answer")];
  expect((await curl([...told, url()])).stdout.toString()).toBe(version);
  expect((await curl(["--data-binary", `@${join(dir, "body")}`, url()])).stdout.toString()).toBe(digest(body));
  expect(digest((await curl([url("/large")])).stdout)).toBe(digest(body));
});

test.each([plain, h2c])("nghttp has several requests to %s at once on a connection", async (host) => {
  const args = ["--no-dep", "-v", "-H", `:authority: ${host}`, "-d", join(dir, "body"), url("/a"), url("/b")];
  const { stdout } = await run("nghttp", args, { maxBuffer: 64 * 1024 * 1024 });
  expect(stdout.match(/:status: 200/g)?.length).toBe(2);
  expect(stdout.split(digest(body)).length - 1).toBe(2);
  expect(stdout).not.toContain("RST_STREAM");
});

test.each([plain, h2c])("h2load sees none of its requests to %s fail", async (host) => {
  const args = ["-n", "4000", "-c", "4", "-m", "32", "-H", `:authority: ${host}`, url()];
  const { stdout } = await run("h2load", args);
  expect(stdout).toContain("4000 total, 4000 started, 4000 done, 4000 succeeded, 0 failed, 0 errored, 0 timeout");
});
