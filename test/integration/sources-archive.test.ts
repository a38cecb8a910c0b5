/** Sources as archives and manifests: downloaded from real servers, uploaded, hostile. */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

import { openPki, type Pki } from "../../src/apiserver/pki.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { packDirectory } from "../../src/lib/source/pack.ts";
import { tarOf, zipOf } from "../support/archives.ts";
import { fetchSource, type Fetching } from "../support/fetch-source.ts";
import { freePort } from "../support/platform.ts";

const run = promisify(execFile);
const sha256 = (content: string | Uint8Array) => createHash("sha256").update(content).digest("hex");

let dir: string;
let pki: Pki;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-archives-"));
  pki = await openPki({ dir: join(dir, "pki"), clock: systemClock });
});
afterAll(() => rm(dir, { recursive: true }));

/** A server over HTTPS, or HTTP, that ends with the test; gives its URL. */
async function serve(listener: RequestListener, { plain = false } = {}): Promise<string> {
  const server = plain ? createHttpServer(listener) : createHttpsServer(pki.serving(), listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `${plain ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Serves contents by path; anything else is 404. */
const contents =
  (files: Record<string, string | Uint8Array>): RequestListener =>
  (request, response) => {
    const content = files[(request.url ?? "").replace(/\?.*$/, "")];
    if (content === undefined) response.writeHead(404).end("not here");
    else response.end(content);
  };

const archive = (location: string): Fetching["source"] => ({ type: "archive", location });
const manifest = (location: string): Fetching["source"] => ({ type: "manifest", location });

/** A file of the test's own; gives its path. */
async function fileOf(content: string | Uint8Array): Promise<string> {
  const path = join(dir, sha256(content).slice(0, 16));
  await writeFile(path, content);
  return path;
}

/** Fetches an upload. */
async function fetchUpload(content: Uint8Array, options: Partial<Fetching> = {}) {
  const source = archive(`upload:sha256:${sha256(content)}`);
  return fetchSource({ source, upload: await fileOf(content), ...options });
}

const sample = [
  { name: "app/package.json", content: "{}" },
  { name: "app/bin/run", content: "#!" },
];

describe("archives", () => {
  test("come over https, pinned or not, and are told without the query that opened them", async () => {
    const tar = gzipSync(tarOf(sample));
    const url = await serve(contents({ "/a.tar.gz": tar }));
    for (const [location, shown] of [
      [`${url}/a.tar.gz?signature=s3cret`, `${url}/a.tar.gz`],
      [`${url}/a.tar.gz#sha256=${sha256(tar)}`, `${url}/a.tar.gz`],
    ] as const) {
      const fetched = await fetchSource({ source: archive(location), ca: pki.ca });
      expect(fetched.sentence).toBe("");
      expect(fetched.found).toEqual({ archive: shown, context: `sha256:${sha256(tar)}` });
      // The one top directory stays.
      expect(fetched.files).toEqual({ "app/package.json": "{}", "app/bin/run": "#!" });
      expect(fetched.log).not.toContain("s3cret");
    }
  });

  test("come by redirection, and by http with a word about it", async () => {
    const zip = zipOf(sample);
    const plain = await serve(contents({ "/a.zip": zip }), { plain: true });
    const target = await serve(contents({ "/a.zip": zip }));
    const url = await serve((request, response) => {
      const to = request.url === "/down" ? `${plain}/a.zip` : request.url === "/loop" ? "/loop" : `${target}/a.zip`;
      response.writeHead(302, { location: to }).end();
    });
    expect((await fetchSource({ source: archive(`${url}/x`), ca: pki.ca })).files).toEqual({
      "app/package.json": "{}",
      "app/bin/run": "#!",
    });
    const http = await fetchSource({ source: archive(`${plain}/a.zip`) });
    expect(http.sentence).toBe("");
    expect(http.log).toContain(
      "Anybody on the way can change what comes by http: pin it with #sha256=HEX, or use https",
    );
    const down = await fetchSource({ source: archive(`${url}/down`), ca: pki.ca });
    expect(down.sentence).toBe(
      `Source "${url}/down" redirects to an address that isn't followed (http://${new URL(plain).host}): use the address that it really has`,
    );
    const loop = await fetchSource({ source: archive(`${url}/loop`), ca: pki.ca });
    expect(loop.sentence).toBe(`Source "${url}/loop" redirects more than 5 times: use the address that it really has`);
  });

  test("that can't be downloaded fail with what to do", async () => {
    const tar = tarOf(sample);
    const url = await serve((request, response) => {
      if (request.url === "/closed") response.writeHead(403).end();
      else if (request.url === "/short")
        response.writeHead(200, { "content-length": "5000" }).write("x", () => response.destroy());
      else
        contents({ "/a.tar": tar, "/page": "<html>Sign in</html>", "/large": randomBytes(100_000) })(request, response);
    });
    const sentence = async (path: string, options: Partial<Fetching> = {}) =>
      (await fetchSource({ source: archive(`${url}${path}`), ca: pki.ca, ...options })).sentence.replaceAll(url, "URL");
    expect(await sentence("/none")).toBe(
      'There is no source "URL/none" (HTTP 404): correct the location, or upload the source',
    );
    expect(await sentence("/closed")).toBe(
      'Source "URL/closed" may not be read (HTTP 403): make it public, use a signed URL, or upload the source',
    );
    expect(await sentence(`/a.tar#sha256=${"0".repeat(64)}`)).toBe(
      `Source "URL/a.tar" has the digest sha256 ${sha256(tar)}, not ${"0".repeat(64)}: it was changed; correct the digest if that was meant`,
    );
    expect(await sentence("/page")).toBe(
      'Cannot read archive "URL/page": a zip, tar or tar.gz is needed, and it is an HTML page; pack it as one of them',
    );
    expect(await sentence("/short")).toMatch(
      /^Source "URL\/short" can't be downloaded \(.+\): see that its server runs/,
    );
    expect(await sentence("/large", { limits: { bytes: 50_000, entries: 10 } })).toBe(
      'Source "URL/large" has more than 48.8 KiB, the limit of a source',
    );
    expect(await sentence("/a.tar", { ca: pki.serving().cert })).toContain(
      "can't be reached safely: the certificate of",
    );
    const gone = await fetchSource({ source: archive(`https://127.0.0.1:${await freePort()}/a.zip`) });
    expect(gone.sentence).toMatch(
      /^Source "https:\/\/127\.0\.0\.1:\d+\/a\.zip" can't be downloaded \(.*ECONNREFUSED.*\)/,
    );
    const unknown = await fetchSource({ source: archive("https://nowhere.invalid/a.zip") });
    expect(unknown.sentence).toContain('host "nowhere.invalid" is not known here; correct the location');
  });

  test("are uploads too: what packDirectory() packed comes back", async () => {
    const root = join(dir, "packed");
    await mkdir(join(root, "src"), { recursive: true });
    await writeFile(join(root, "src/main.js"), "main");
    const file = join(dir, "packed.tar.gz");
    const { digest } = await packDirectory(root, { file, maxBytes: 1 << 20 });
    const fetched = await fetchSource({ source: archive(`upload:${digest}`), upload: file });
    expect(fetched.found).toEqual({ archive: `upload:${digest}`, context: digest });
    expect(fetched.files).toEqual({ "src/main.js": "main" });
    await writeFile(file, "rotten");
    const rotten = await fetchSource({ source: archive(`upload:${digest}`), upload: file });
    expect(rotten.sentence).toContain(`Upload ${digest} is damaged on the server's disk`);
    const missing = await fetchSource({ source: archive(`upload:${digest}`) });
    expect(missing.sentence).toBe(`Upload ${digest} is not there any more: send it again`);
  });

  test.each([
    [
      "a path above",
      tarOf([
        { name: "ok", content: "1" },
        { name: "../evil", content: "x" },
      ]),
      "would be written outside of the source",
    ],
    ["a link out", tarOf([{ name: "l", type: "2", link: "/etc" }]), "which leads out of the source"],
    ["an end that is missing", gzipSync(tarOf(sample)).subarray(0, 60), "is damaged or not complete"],
  ])("with %s fail, and leave nothing", async (_what, content, message) => {
    const fetched = await fetchUpload(content);
    expect(fetched.exitCode).toBe(1);
    expect(fetched.sentence).toContain(message);
    expect(fetched.sentence).toContain(`sha256:${sha256(content)}`);
    expect(fetched.files).toEqual({});
  });

  test("that unpack to 10 GB from 10 MB fail before the disk is full, as tar.gz and as zip", async () => {
    const zeros = Buffer.alloc(100 * 1024 * 1024);
    const size = String(100 * zeros.length);
    const head = tarOf([{ name: "zeros", pax: { size }, content: "" }]).subarray(0, -1024);
    const member = gzipSync(zeros);
    const tar = Buffer.concat([gzipSync(head), ...Array.from({ length: 100 }, () => member)]);
    const zip = zipOf([
      { name: "0", content: zeros },
      ...Array.from({ length: 99 }, (_, index) => ({ name: String(index + 1), content: "", again: true })),
    ]);
    expect(tar.length).toBeLessThan(12 * 1024 * 1024);
    expect(zip.length).toBeLessThan(1024 * 1024);
    const vast = { limits: { bytes: 2 ** 40, entries: 1000 } };
    for (const [bomb, options, message] of [
      [tar, {}, "unpacks to more than 256 MiB, the limit of a source"],
      [tar, vast, "unpacks to more than 250 times as much, as no real source does"],
      [zip, vast, "unpacks to more than 250 times as much, as no real source does"],
    ] as const) {
      // A disk that couldn't take it: nobody may write more.
      const base = join(dir, "small");
      await mkdir(base);
      await run("mount", ["-t", "tmpfs", "-o", "size=3g", "tmpfs", base]);
      try {
        const fetched = await fetchUpload(bomb, { ...options, base });
        expect(fetched.sentence).toContain(message);
        expect(fetched.files).toEqual({});
      } finally {
        await run("umount", [base]);
        await rm(base, { recursive: true });
      }
    }
  });

  test("that don't fit on the disk say so, and leave nothing", async () => {
    const base = join(dir, "full");
    await mkdir(base);
    await run("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", base]);
    try {
      const fetched = await fetchUpload(tarOf([{ name: "noise", content: randomBytes(5_000_000) }]), { base });
      expect(fetched.sentence).toMatch(
        /^Cannot unpack archive sha256:\w+: the disk of the machine is full; free some space there/,
      );
      expect(fetched.files).toEqual({});
    } finally {
      await run("umount", [base]);
      await rm(base, { recursive: true });
    }
  });
});

describe("manifests", () => {
  test("bring each file that they name, checked", async () => {
    const files = { "/one": "first", "/two": "second" };
    const url = await serve((request, response) => {
      const all: Record<string, string> = {
        ...files,
        "/m.json": JSON.stringify({
          "package.json": { sourceUrl: `${url}/one`, sha256: sha256("first") },
          "src/deep/x.js": {
            sourceUrl: `${url}/two`,
            sha256: sha256("second").toUpperCase(),
            mimeType: "text/javascript",
          },
        }),
      };
      contents(all)(request, response);
    });
    const fetched = await fetchSource({ source: manifest(`${url}/m.json`), ca: pki.ca });
    expect(fetched.sentence).toBe("");
    expect(fetched.files).toEqual({ "package.json": "first", "src/deep/x.js": "second" });
    expect(fetched.found?.manifest).toBe(`${url}/m.json`);
    expect(fetched.found?.context).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  const ok = { sourceUrl: "https://127.0.0.1:1/x", sha256: sha256("x") };
  test.each([
    ["no JSON", "hello", "is no JSON object of path →"],
    ["a list", "[]", "is no JSON object of path →"],
    ["a path above", JSON.stringify({ "../x": ok }), 'Entry "../x" of manifest'],
    ["a file twice", JSON.stringify({ "a/b": ok, "./a//b": ok }), "is there twice or has no name"],
    ["a file that is a directory", JSON.stringify({ a: ok, "a/b": ok }), "is both a file and a directory"],
    ["no digest", JSON.stringify({ a: { sourceUrl: ok.sourceUrl } }), "needs sha256, 64 hex digits"],
    ["no URL", JSON.stringify({ a: { sha256: ok.sha256 } }), "needs a sourceUrl"],
    ["a null", JSON.stringify({ a: null }), "needs a sourceUrl"],
    [
      "a file of this disk",
      JSON.stringify({ a: { ...ok, sourceUrl: "file:///etc/passwd" } }),
      "is no location of a source",
    ],
    ["a server that isn't there", JSON.stringify({ a: ok }), 'File "a" of manifest sha256:'],
  ])("with %s fail, and leave nothing", async (_what, text, message) => {
    const source = manifest(`upload:sha256:${sha256(text)}`);
    const fetched = await fetchSource({ source, upload: await fileOf(text) });
    expect(fetched.exitCode).toBe(1);
    expect(fetched.sentence).toContain(message);
    expect(fetched.files).toEqual({});
  });

  test("fail where a file isn't what they say, naming it", async () => {
    const url = await serve(contents({ "/one": "other" }));
    const text = JSON.stringify({ "dir/one": { sourceUrl: `${url}/one`, sha256: sha256("first") } });
    const source = manifest(`upload:sha256:${sha256(text)}`);
    const fetched = await fetchSource({ source, upload: await fileOf(text), ca: pki.ca });
    expect(fetched.sentence).toContain(
      `File "dir/one" of manifest sha256:${sha256(text)}: Source "${url}/one" has the digest sha256 ${sha256("other")}, not ${sha256("first")}`,
    );
    expect(fetched.files).toEqual({});
  });
});
