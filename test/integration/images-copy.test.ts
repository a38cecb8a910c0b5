/** Copying images between real registries (Debian's docker-registry): HTTPS, passwords, tokens, credential helpers; and from this machine's storage. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { thisMachine } from "../../src/cli/platform.ts";
import { copyOne, type CopyImageOptions, exactImage } from "../../src/platform/images/copy.ts";
import { prepareStorage } from "../../src/runtime/oci/storage-config.ts";
import { runningCli } from "../support/cli.ts";
import { makeImages } from "../support/images.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { startTokenServer, type TokenServer } from "../support/token-server.ts";

const run = promisify(execFile);
const user = { username: "someone", password: "s3:cret" };
const identityToken = "of/someone+for=longer";
const auth = Buffer.from(`${user.username}:${user.password}`).toString("base64");
const ociImage = "application/vnd.oci.image.manifest.v1+json";
const ociIndex = "application/vnd.oci.image.index.v1+json";
let dir: string;
let open: TestRegistry;
let secured: TestRegistry;
let tokens: TokenServer;
let bearer: TestRegistry;
let busybox: string;
/** As a person has it: a home with docker's configuration, and the registry's authority where podman looks for it. */
let env: Record<string, string>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-copy-"));
  tokens = await startTokenServer({ ...user, identityToken });
  [open, secured, bearer] = await Promise.all([
    startRegistry(),
    startRegistry({ tls: true, auth: user }),
    startRegistry({ token: tokens.options }),
  ]);
  busybox = (await makeImages(open))["busybox:1"];
  const trusted = join(dir, ".config/containers/certs.d", secured.host);
  await mkdir(trusted, { recursive: true });
  await copyFile(secured.ca ?? "", join(trusted, "ca.crt"));
  await mkdir(join(dir, ".docker"));
  await writeFile(join(dir, ".docker/config.json"), JSON.stringify({ auths: { [secured.host]: { auth } } }));
  env = { HOME: dir, PATH: process.env["PATH"] ?? "", XDG_RUNTIME_DIR: dir };
});
afterAll(async () => {
  await Promise.all([open, secured, bearer, tokens].map((one) => one.close()));
  await rm(dir, { recursive: true });
});

const copy = (from: string, to: string, more: Partial<CopyImageOptions> = {}) => {
  const signal = new AbortController().signal;
  return copyOne({ from, to, dataDir: join(dir, "data"), env, cwd: dir, pullSecrets: [], signal, ...more });
};
const failure = (work: Promise<unknown>) => work.then(String, (error: Error) => error.message);
const digestOf = (bytes: string) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** What a registry has under a name, as another program sees it. */
async function seen(image: string): Promise<string> {
  const creds = image.startsWith(open.host) ? [] : ["--creds", `${user.username}:${user.password}`];
  const args = ["inspect", "--raw", "--tls-verify=false", ...creds, `docker://${image}`];
  return digestOf((await run("skopeo", args)).stdout);
}

/** Puts bytes into the open registry as they are. */
async function put(repository: string, what: { blob: string } | { manifest: object; type: string; tag: string }) {
  const at = `http://${open.host}/v2/${repository}`;
  if ("manifest" in what) {
    const body = JSON.stringify(what.manifest);
    await fetch(`${at}/manifests/${what.tag}`, { method: "PUT", headers: { "content-type": what.type }, body });
    return { mediaType: what.type, digest: digestOf(body), size: Buffer.byteLength(body) };
  }
  const digest = digestOf(what.blob);
  const begun = await fetch(`${at}/blobs/uploads/`, { method: "POST" });
  const place = new URL(begun.headers.get("location") ?? "", at);
  place.searchParams.set("digest", digest);
  await fetch(place, { method: "PUT", body: what.blob });
  return { mediaType: "application/octet-stream", digest, size: Buffer.byteLength(what.blob) };
}

/** An image of a few bytes. */
async function putImage(repository: string, tag: string, text: string) {
  const config = { ...(await put(repository, { blob: "{}" })), mediaType: "application/vnd.oci.image.config.v1+json" };
  const layer = { ...(await put(repository, { blob: text })), mediaType: "application/vnd.oci.image.layer.v1.tar" };
  const manifest = { schemaVersion: 2, mediaType: ociImage, config, layers: [layer] };
  return { layer, image: await put(repository, { manifest, type: ociImage, tag }) };
}

describe("copyOne", () => {
  test("copyOne() brings an image over HTTPS with a password, its digest kept, and sends nothing twice", async () => {
    const moved: number[] = [];
    const first = await copy(busybox, `${secured.host}/team/busybox:1`, { onBytes: (bytes) => moved.push(bytes) });
    expect(first).toMatchObject({ exact: `${secured.host}/team/busybox@${first.digest}`, mounted: 0, present: 0 });
    expect(first.sent).toBeGreaterThan(1);
    expect(moved.reduce((sum, one) => sum + one, 0)).toBe(first.bytes);
    expect(await seen(`${secured.host}/team/busybox:1`)).toBe(first.digest);
    expect(await seen(busybox)).toBe(first.digest);
    const again = await copy(busybox, `${secured.host}/team/busybox:1`);
    expect(again).toEqual({ ...first, sent: 0, bytes: 0 });
    // Another repository of the same registry has the blobs already.
    const beside = await copy(`${secured.host}/team/busybox:1`, `${secured.host}/other/busybox:2`);
    expect(beside).toMatchObject({ digest: first.digest, sent: 0, bytes: 0, mounted: first.sent });
    expect(await seen(`${secured.host}/other/busybox:2`)).toBe(first.digest);
  });

  test("copyOne() copies a list of images whole, also where some of it is there", async () => {
    const [one, two] = [await putImage("multi", "one", "one"), await putImage("multi", "two", "two")];
    const manifests = [one, two].map(({ image }, index) => ({
      ...image,
      platform: { os: "linux", architecture: ["amd64", "arm64"][index] },
    }));
    const index = { schemaVersion: 2, mediaType: ociIndex, manifests };
    const { digest } = await put("multi", { manifest: index, type: ociIndex, tag: "both" });
    await copy(`${open.host}/multi:one`, `${secured.host}/multi:one`);
    const copied = await copy(`${open.host}/multi:both`, `${secured.host}/multi:both`);
    // The one layer that the first image hasn't.
    expect(copied).toMatchObject({ digest, sent: 1, bytes: 3 });
    expect(await seen(`${secured.host}/multi:both`)).toBe(digest);
    expect(await seen(`${secured.host}/multi@${two.image.digest}`)).toBe(two.image.digest);
  });

  test("copyOne() shows credentials of pull secrets to a registry that asks for a token", async () => {
    const config = JSON.stringify({ auths: { [bearer.host]: user } });
    const data = { ".dockerconfigjson": Buffer.from(config).toString("base64") };
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "pull" }, data };
    const to = `${bearer.host}/by/token:1`;
    const copied = await copy(busybox, to, { pullSecrets: [secret] });
    expect(copied.sent).toBeGreaterThan(1);
    const access = { env, cwd: dir, signal: new AbortController().signal };
    expect(await exactImage(to, { ...access, pullSecrets: [secret] })).toBe(copied.exact);
    expect(await failure(exactImage(to, { ...access, pullSecrets: [] }))).toMatch(/ anonymously\)$/);
  });

  test("copyOne() exchanges an identity token for tokens, as docker login keeps it in its file or a helper has it", async () => {
    const bin = join(dir, "identity");
    await mkdir(bin);
    const said = JSON.stringify({ Username: "<token>", Secret: identityToken });
    const helper = join(bin, "docker-credential-identity");
    await writeFile(helper, `#!/bin/sh\nread host\n[ "$host" = "${bearer.host}" ] && echo '${said}'\n`, {
      mode: 0o755,
    });
    const access = { cwd: dir, pullSecrets: [], signal: new AbortController().signal };
    const path = { ...env, PATH: `${bin}:${env["PATH"]}` };
    const use = async (name: string, content: object) => {
      const authFile = join(dir, `${name}.json`);
      await writeFile(authFile, JSON.stringify(content));
      const to = `${bearer.host}/identity/${name}:1`;
      const copied = await copy(busybox, to, { authFile, env: path });
      expect(await exactImage(to, { ...access, authFile, env: path })).toBe(copied.exact);
    };
    const someone = Buffer.from("someone:").toString("base64");
    await use("file", { auths: { [bearer.host]: { auth: someone, identitytoken: identityToken } } });
    await use("helper", { credHelpers: { [bearer.host]: "identity" } });
    await expect(
      use("wrong", { auths: { [bearer.host]: { auth: someone, identitytoken: "another" } } }),
    ).rejects.toThrow(/status 401 .*\/v2\/identity\/wrong anonymously\)$/);
  });

  test("copyOne() takes an image from the mirrors that the machine names for its registry, and none from a blocked one", async () => {
    const file = join(dir, "registries.conf");
    const entries = [
      '[[registry]]\nlocation = "mirrored.invalid"',
      '[[registry.mirror]]\nlocation = "127.0.0.1:1/gone"',
      `[[registry.mirror]]\nlocation = "${open.host}"\ninsecure = true`,
      '[[registry]]\nlocation = "blocked.invalid"\nblocked = true',
    ];
    await writeFile(file, `${entries.join("\n")}\n`);
    const named = { env: { ...env, CONTAINERS_REGISTRIES_CONF: file } };
    const copied = await copy("mirrored.invalid/busybox:1", `${secured.host}/mirrored:1`, named);
    expect(await seen(`${secured.host}/mirrored:1`)).toBe(copied.digest);
    expect(await failure(copy("mirrored.invalid/none:1", `${secured.host}/mirrored:1`, named))).toContain(
      'registry "mirrored.invalid" can\'t be reached',
    );
    expect(await failure(copy("blocked.invalid/a:1", `${secured.host}/a:1`, named))).toBe(
      `registry "blocked.invalid" is blocked for "blocked.invalid/a" by this machine's registries.conf`,
    );
  });

  test("copyOne() asks docker's credential helpers", async () => {
    const bin = join(dir, "bin");
    await mkdir(bin);
    const script = `#!/bin/sh\nread host\n[ "$1 $host" = "get ${secured.host}" ] && echo '${JSON.stringify({ Username: user.username, Secret: user.password })}'\n`;
    await writeFile(join(bin, "docker-credential-test"), script);
    await chmod(join(bin, "docker-credential-test"), 0o755);
    const file = join(dir, "helped.json");
    await writeFile(file, JSON.stringify({ credHelpers: { [secured.host]: "test" } }));
    const helped = { env: { ...env, PATH: `${bin}:${env["PATH"]}` }, authFile: file };
    const copied = await copy(busybox, `${secured.host}/helped:1`, helped);
    expect(await seen(`${secured.host}/helped:1`)).toBe(copied.digest);
  });

  test.each([
    [
      "a wrong password",
      async () => {
        const file = join(dir, "wrong.json");
        await writeFile(file, JSON.stringify({ auths: { [secured.host]: { ...user, password: "wrong" } } }));
        return copy(busybox, `${secured.host}/a:1`, { authFile: file });
      },
      () => /unauthorized.*\(asked https:\/\/[\d.:]+\/v2\/a as user "someone"\)/is,
    ],
    [
      "no such image",
      () => copy(`${open.host}/nothing:1`, `${secured.host}/a:1`),
      () => /manifest unknown.* anonymously\)/is,
    ],
    [
      "a registry that isn't trusted",
      () => copy(busybox, `${secured.host}/a:1`, { env: { ...env, HOME: "/nonexistent" } }),
      () => new RegExp(`^registry "${secured.host}" can't be reached at https://${secured.host}: unable to verify`),
    ],
    ["a name with a digest", () => copy(busybox, `a.example/b@sha256:${"0".repeat(64)}`), () => /name a tag$/],
    ["this machine as a destination", () => copy(busybox, "localhost/a:1"), () => /name a registry's host$/],
    [
      "no such file of credentials",
      () => copy(busybox, `${secured.host}/a:1`, { authFile: "gone" }),
      () => /^Cannot read --auth-file ".*gone": ENOENT/,
    ],
  ])("copyOne() says what is wrong: %s", async (_, work, message) => {
    expect(await failure(work())).toMatch(message());
  });

  test("copyOne() leaves no image of bytes that aren't what they say", async () => {
    const { layer } = await putImage("broken", "1", "right");
    const hex = layer.digest.slice("sha256:".length);
    await writeFile(join(open.directory, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data"), "wrong");
    expect(await failure(copy(`${open.host}/broken:1`, `${secured.host}/broken:1`))).toBe(
      `the bytes of blob "${layer.digest}" aren't what its digest says: it was not copied`,
    );
    await expect(seen(`${secured.host}/broken:1`)).rejects.toThrow("manifest unknown");
  });

  test("copyOne() sends an image that only this machine has", async () => {
    const images = join(dir, "data/images");
    vi.stubEnv("CONTAINERS_STORAGE_CONF", join(dir, "no-machine.conf"));
    const storage = await prepareStorage({ images, runRoot: join(dir, "data/run/images") }, "vfs");
    const local = "containers-storage:localhost/default/hello:1";
    const args = ["copy", "-q", "--src-tls-verify=false", `docker://${busybox}`, local];
    await run("skopeo", args, { env: { ...process.env, ...storage } });
    const copied = await copy("localhost/default/hello:1", `${secured.host}/default/hello:1`);
    expect(copied.sent).toBeGreaterThan(1);
    expect(await seen(`${secured.host}/default/hello:1`)).toBe(copied.digest);
    expect(await readdir(join(images, "tmp"))).toEqual([]);
    expect(await failure(copy("localhost/default/gone:1", `${secured.host}/gone:1`))).toMatch(
      /^Cannot read image "localhost\/default\/gone:1" of this machine/,
    );
  });
});

test("elafros images copy puts several images below a prefix, and tells their exact names", async () => {
  await using cli = await runningCli("/nonexistent", thisMachine);
  const other = busybox.replace("busybox:1", "busybox:exits");
  const argv = ["images", "copy", busybox, other, `${secured.host}/cli/`];
  const copied = await cli.run(argv, { env });
  expect(copied).toMatchObject({ code: 0, stderr: "" });
  expect(copied.stdout).toMatch(
    /^✓ Copied \[\S+busybox:1\] to \[\S+\/cli\/busybox@sha256:\S+\] \(sent \S+ \S+\)\n✓ Copied \[\S+busybox:exits\] to \[\S+\/cli\/busybox@sha256:\S+\] \(sent .*\)\n$/,
  );
  const again = await cli.run([...argv, "-o", "name"], { env });
  expect(again.stdout).toBe(
    `${secured.host}/cli/busybox@${await seen(busybox)}\n${secured.host}/cli/busybox@${await seen(other)}\n`,
  );
  expect(again.stderr).toContain("(it was there)");
});
