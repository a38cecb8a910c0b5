/** Images from real registries into real storage: names, credentials, certificates, mirrors, and every way to fail. */
import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, readFile, rm, rmdir, stat, statfs, watch, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { silentLog } from "../../src/lib/log.ts";
import { diskRoom } from "../../src/runtime/oci/disk-room.ts";
import { createImageStore, type OciImageStore } from "../../src/runtime/oci/images.ts";
import { imageCache, makeImages, retag, type SampleImage } from "../support/images.ts";
import { manualClock } from "../support/manual-clock.ts";
import { type Neighbour, neighbourNetwork } from "../support/namespaces.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

const run = promisify(execFile);
const clock = manualClock();
/** Without it the tools leave a mount behind. */
const noMount = '[storage.options.overlay]\nskip_mount_home = "true"\n';
let registry: TestRegistry;
let images: Record<SampleImage, string>;
let dir: string;
let store: OciImageStore;

const open = async (at = dir) =>
  createImageStore({ images: join(at, "images"), runRoot: join(at, "run"), log: silentLog, clock });
/** The message of the ImageError that `work` ends with. */
const failure = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    (value) => `no failure: ${JSON.stringify(value)}`,
    (error: Error) => `${error.name}: ${error.message}`,
  );

/** Puts an image into the machine's own storage, as `podman pull` or `build` would. */
async function toMachine(image: SampleImage, name: string): Promise<void> {
  const target = `containers-storage:${name}`;
  await run("skopeo", ["copy", "-q", "--src-tls-verify=false", `docker://${images[image]}`, target]);
}

beforeAll(async () => {
  registry = await startRegistry();
  images = await makeImages(registry);
});
afterAll(() => registry.close());
beforeEach(async () => {
  // No machine's own images and credentials, unless a test says so.
  dir = await mkdtemp(join(tmpdir(), "elafros-images-"));
  await writeFile(
    join(dir, "machine.conf"),
    `[storage]\ndriver = "overlay"\ngraphroot = "${dir}/machine"\nrunroot = "${dir}/machine-run"\n${noMount}`,
  );
  vi.stubEnv("CONTAINERS_STORAGE_CONF", join(dir, "machine.conf"));
  vi.stubEnv("REGISTRY_AUTH_FILE", join(dir, "machine-auth.json"));
  await writeFile(join(dir, "machine-auth.json"), "{}");
  store = await open();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  expect(await readdir(join(dir, "images/tmp"))).toEqual([]);
  expect((await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => line.includes(dir))).toEqual([]);
  await rm(dir, { recursive: true });
});

test("resolve() gives the digest that the registry serves now, and pull() a root with the image's configuration", async () => {
  const served = await fetch(`http://${registry.host}/v2/busybox/manifests/1`, {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  });
  const exact = await store.resolve(images["busybox:1"], [], "IfNotPresent");
  expect(exact).toBe(`${registry.host}/busybox@${served.headers.get("docker-content-digest")}`);
  expect(await store.root(exact)).toBeUndefined();
  const steps: [number, number | undefined][] = [];
  await store.pull(exact, [], (done, total) => steps.push([done, total]));
  const root = await store.root(exact);
  expect(root?.config).toMatchObject({ cmd: ["/bin/sh", "/bin/serve"], env: ["PATH=/bin:/usr/bin"], user: "" });
  expect((await stat(join(root?.layers.at(-1) ?? "", "bin/busybox"))).isFile()).toBe(true);
  const [done, total] = steps.at(-1) ?? [];
  expect(done).toBe(total);
  expect(done).toBeGreaterThan(100_000);
});

test("resolve() sees a tag move; the old digest stays pulled", async () => {
  await retag(registry, "moving:1", "busybox:1");
  const before = await store.resolve(`${registry.host}/moving:1`, [], "IfNotPresent");
  await store.pull(before, []);
  await retag(registry, "moving:1", "busybox:exits");
  const after = await store.resolve(`${registry.host}/moving:1`, [], "IfNotPresent");
  expect(after).not.toBe(before);
  await store.pull(after, []);
  expect((await store.root(after))?.config.cmd).not.toEqual((await store.root(before))?.config.cmd);
});

test("an image that is there by digest costs no process and no registry, and is found again by the next process", async () => {
  const exact = await store.resolve(images["busybox:1"], [], "Always");
  await store.pull(exact, []);
  await retag(registry, "gone:1", "busybox:1");
  vi.stubEnv("PATH", "/nowhere");
  expect(await store.resolve(exact, [], "Always")).toBe(exact);
  await store.pull(exact, []);
  const root = await store.root(exact);
  vi.unstubAllEnvs();
  vi.stubEnv("CONTAINERS_STORAGE_CONF", join(dir, "machine.conf"));
  expect(root?.id).toMatch(/^[0-9a-f]{64}$/u);
  expect(await (await open()).root(exact)).toEqual(root);
});

test("several pulls of one image at once are one", async () => {
  const exact = await store.resolve(images["busybox:1"], [], "Always");
  const seen = new Set<string | null>();
  const stop = new AbortController();
  const watching = (async () => {
    for await (const { filename } of watch(join(dir, "images/tmp"), { signal: stop.signal })) seen.add(filename);
  })().catch(() => {});
  await Promise.all([store.pull(exact, []), store.pull(exact, []), store.pull(exact, [])]);
  stop.abort();
  await watching;
  expect([...seen].filter((name) => name?.startsWith("pull-"))).toHaveLength(1);
});

test("a list of images is resolved to the list's digest; it and this machine's image in it can both be pulled", async () => {
  await toMachine("busybox:1", "localhost/part");
  await run("buildah", ["manifest", "create", "localhost/list", "containers-storage:localhost/part"]);
  const target = `docker://${registry.host}/list:1`;
  await run("buildah", ["manifest", "push", "--all", "--tls-verify=false", "localhost/list", target]);
  const exact = await store.resolve(`${registry.host}/list:1`, [], "Always");
  const digest = exact.split("@")[1] ?? "";
  const types = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";
  const url = `http://${registry.host}/v2/list/manifests/${digest}`;
  const { manifests } = (await (await fetch(url, { headers: { accept: types } })).json()) as {
    manifests: { digest: string }[];
  };
  await store.pull(exact, []);
  const own = `${registry.host}/list@${manifests[0]?.digest ?? ""}`;
  await store.pull(own, []);
  expect((await store.root(own))?.id).toBe((await store.root(exact))?.id);
});

test("images of the machine's own storage run without a registry, by localhost names and by short ones", async () => {
  vi.stubEnv("CONTAINERS_STORAGE_CONF", (await imageCache()).storageConf);
  const exact = await store.resolve("localhost/busybox:1", [], "Always");
  expect(exact).toMatch(/^localhost\/busybox@sha256:[0-9a-f]{64}$/u);
  expect(await store.resolve("busybox:1", [], "Always")).toBe(exact);
  await store.pull(exact, []);
  const root = await store.root(exact);
  expect(root?.config.cmd).toEqual(["/bin/sh", "/bin/serve"]);
  await Promise.all((root?.layers ?? []).map((layer) => access(layer)));
  // The same layers aren't pulled a second time.
  const pulled = await store.resolve(images["busybox:1"], [], "Always");
  await store.pull(pulled, []);
  expect((await store.root(pulled))?.layers).toEqual(root?.layers);
});

test("localhost names that aren't there say where they were looked for", async () => {
  expect(await failure(store.resolve("localhost/nothing", [], "IfNotPresent"))).toBe(
    'ImageError: not in this machine\'s image storage, the only place of names that start with "localhost/": make it with podman build -t localhost/nothing',
  );
  expect(await failure(store.resolve(images["busybox:1"], [], "Never"))).toContain("its pull policy is Never");
});

test("a name without a registry means docker.io/library", async () => {
  const said = await failure(store.resolve("no-such-image-here", [], "Always"));
  expect(said).toContain("registry-1.docker.io");
});

test("IfNotPresent uses the local image where the registry is away, Always doesn't", async () => {
  const name = "127.0.0.1:9/away:1";
  await toMachine("busybox:1", name);
  expect(await store.resolve(name, [], "IfNotPresent")).toMatch(/^127\.0\.0\.1:9\/away@sha256:/u);
  expect(await store.resolve(name, [], "Never")).toMatch(/^127\.0\.0\.1:9\/away@sha256:/u);
  expect(await failure(store.resolve(name, [], "Always"))).toContain("connection refused");
});

test("failures name the registry's own error, the URL and the user", async () => {
  const missing = `${registry.host}/nothing:9`;
  expect(await failure(store.resolve(missing, [], "Always"))).toBe(
    `ImageError: reading manifest 9 in ${registry.host}/nothing: manifest unknown (asked http://${registry.host}/v2/nothing/manifests/9 anonymously)`,
  );
  const bob = { registry: "127.0.0.1:9", username: "bob", password: "x" };
  expect(await failure(store.resolve("127.0.0.1:9/app:1", [bob], "Always"))).toMatch(
    /connect: connection refused \(asked http:\/\/127\.0\.0\.1:9\/v2\/ as user "bob"\)$/u,
  );
  // Where there is no network either, the name can't even be asked for.
  expect(await failure(store.resolve("registry.invalid/app:1", [], "Always"))).toMatch(
    /lookup registry\.invalid\b.*(?:no such host|network is unreachable) \(asked https:\/\/registry\.invalid\/v2\/ anonymously\)$/u,
  );
  const absent = `${registry.host}/busybox@sha256:${"0".repeat(64)}`;
  expect(await failure(store.pull(absent, []))).toMatch(/manifest unknown \(asked \S+ anonymously\)$/u);
});

test("a registry with passwords: given credentials, the machine's, wrong ones, none", async () => {
  const closed = await startRegistry({ auth: { username: "bob", password: "s3cret" } });
  try {
    await makeImages(closed);
    const image = `${closed.host}/busybox:1`;
    const bob = { registry: `http://${closed.host}/v2/`, username: "bob", password: "s3cret" };
    const exact = await store.resolve(image, [bob], "Always");
    expect(await failure(store.pull(exact, []))).toMatch(/(unauthorized|authentication required).* anonymously\)$/u);
    await store.pull(exact, [bob]);

    const wrong = { ...bob, password: "guess" };
    expect(await failure(store.resolve(image, [wrong], "Always"))).toMatch(
      /(unauthorized|authentication required|invalid username\/password).*\(asked http:\/\/127\.0\.0\.1:\d+\/v2\/\S* as user "bob"\)$/u,
    );
    expect(await store.resolve(image, [wrong, bob], "Always")).toBe(exact);

    const auth = Buffer.from("bob:s3cret").toString("base64");
    const machine = { auths: { [closed.host]: { auth } } };
    await writeFile(join(dir, "machine-auth.json"), JSON.stringify(machine));
    expect(await store.resolve(image, [], "Always")).toBe(exact);
    expect(await failure(store.resolve(`${closed.host}/busybox:9`, [], "Always"))).toMatch(/as user "bob"\)$/u);
    const other = { registry: "other.example", username: "alice", password: "x" };
    expect(await store.resolve(image, [other], "Always")).toBe(exact);
  } finally {
    await closed.close();
  }
});

test("a registry on loopback may speak HTTPS with any certificate", async () => {
  const secure = await startRegistry({ tls: true });
  try {
    await makeImages(secure);
    await store.pull(await store.resolve(`${secure.host}/busybox:1`, [], "Always"), []);
  } finally {
    await secure.close();
  }
});

test("a registry elsewhere must have a certificate that this machine trusts", async () => {
  const neighbour: Neighbour = await neighbourNetwork("reg", "198.18.7");
  const started: TestRegistry[] = [];
  const trusted = "/etc/containers/certs.d/198.18.7.2:5443";
  try {
    const plain = await startRegistry({ netns: "elatest-reg", address: "198.18.7.2:5080" });
    started.push(plain);
    const secure = await startRegistry({ netns: "elatest-reg", address: "198.18.7.2:5443", tls: true });
    started.push(secure);
    await makeImages(secure);
    expect(await failure(store.resolve(`${plain.host}/busybox:1`, [], "Always"))).toContain(
      "server gave HTTP response to HTTPS client",
    );
    expect(await failure(store.resolve(`${secure.host}/busybox:1`, [], "Always"))).toMatch(
      /x509: certificate signed by unknown authority \(asked https:\/\/198\.18\.7\.2:5443\/v2\/ anonymously\)$/u,
    );
    await mkdir(trusted, { recursive: true });
    await writeFile(join(trusted, "ca.crt"), await readFile(secure.ca ?? ""));
    await store.pull(await store.resolve(`${secure.host}/busybox:1`, [], "Always"), []);
  } finally {
    await rm(trusted, { recursive: true, force: true });
    await rmdir("/etc/containers/certs.d").catch(() => {}); // others may have theirs there
    await Promise.all(started.map((one) => one.close()));
    await neighbour.close();
  }
});

test("a mirror that the machine is configured with is asked", async () => {
  const file = `/etc/containers/registries.conf.d/elafros-test-${process.pid}.conf`;
  const mirror = `[[registry.mirror]]\nlocation = "${registry.host}"\ninsecure = true\n`;
  await writeFile(file, `[[registry]]\nlocation = "mirrored.invalid"\n${mirror}`);
  try {
    const exact = await store.resolve("mirrored.invalid/busybox:1", [], "Always");
    expect(exact).toMatch(/^mirrored\.invalid\/busybox@sha256:/u);
    await store.pull(exact, []);
    expect(await store.root(exact)).toBeDefined();
  } finally {
    await rm(file);
  }
});

test("pull() onto a full disk says so and leaves no image", async () => {
  const small = join(dir, "small");
  await mkdir(small);
  await run("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", small]);
  try {
    const tight = await open(small);
    const exact = await tight.resolve(images["app:1"], [], "Always");
    expect(await failure(tight.pull(exact, []))).toBe(
      `ImageError: There is no room for image "${exact}": pulls leave 4 MiB of the file system of "${small}/images" free; free some on it`,
    );
    expect(await tight.root(exact)).toBeUndefined();
    expect(await readdir(join(small, "images/tmp"))).toEqual([]);
    const fits = await tight.resolve(images["busybox:1"], [], "Always");
    const filler = join(small, "filler");
    const { bavail, bsize } = await statfs(small);
    await writeFile(filler, Buffer.alloc(bavail * bsize - (3 << 20)));
    // It would fit, and takes what is left for others: nothing of it is asked for.
    expect(await failure(tight.pull(fits, []))).toMatch(/^ImageError: There is no room for image .*busybox/u);
    await rm(filler);
    await tight.pull(fits, []);
  } finally {
    await run("umount", [small]);
  }
});

test("diskRoom() tells once when what is left free is being taken, before the disk is full", async () => {
  const small = join(dir, "small");
  await mkdir(small);
  await run("mount", ["-t", "tmpfs", "-o", "size=20m", "tmpfs", small]);
  try {
    const room = diskRoom({ dir: small, reserveBytes: 1 << 30 }, "r.example/a@sha256:1");
    let told = 0;
    const short = Promise.withResolvers<void>();
    const unwatch = room.watch(() => {
      told += 1;
      short.resolve();
    });
    await room.check();
    await writeFile(join(small, "filler"), Buffer.alloc(19 << 20));
    await short.promise;
    await rm(join(small, "filler"));
    // Whoever was ended for it is told so, whatever is free by then.
    await expect(room.check()).rejects.toThrow(
      `There is no room for image "r.example/a@sha256:1": pulls leave 2 MiB of the file system of "${small}" free; free some on it`,
    );
    unwatch();
    expect(told).toBe(1);
  } finally {
    await run("umount", [small]);
  }
});

test("where the file system can't hold overlays, images are kept as whole copies", async () => {
  const parts = ["lower", "upper", "work", "merged"].map((name) => join(dir, name));
  await Promise.all(parts.map((part) => mkdir(part)));
  const [lower = "", upper = "", work = "", merged = ""] = parts;
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await run("mount", ["-t", "overlay", "overlay", "-o", options, merged]);
  try {
    const stacked = await open(merged);
    expect(stacked.driver).toBe("vfs");
    const exact = await stacked.resolve(images["busybox:exits"], [], "Always");
    await stacked.pull(exact, []);
    const root = await stacked.root(exact);
    expect(root?.layers).toHaveLength(1);
    await access(join(root?.layers[0] ?? "", "bin/busybox"));
    expect((await open(merged)).driver).toBe("vfs");
  } finally {
    await run("umount", [merged]);
  }
});

test("prune() removes what was pulled and nothing needs, a while after it was last asked for", async () => {
  const kept = await store.resolve(images["busybox:1"], [], "Always");
  const loose = await store.resolve(images["busybox:exits"], [], "Always");
  await store.pull(kept, []);
  await store.pull(loose, []);
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: join(dir, "images/storage.conf") };
  await run("buildah", ["tag", kept, "localhost/mine"], { env });
  expect(await store.prune([kept])).toEqual([]);
  await clock.advance(11 * 60_000);
  expect(await store.prune([kept])).toEqual([loose]);
  expect(await store.root(loose)).toBeUndefined();
  expect(await store.root(kept)).toBeDefined();
  await clock.advance(11 * 60_000);
  expect(await store.prune([])).toEqual([]); // somebody has tagged it
});

test("createImageStore() removes what a killed process left of a download", async () => {
  await mkdir(join(dir, "images/tmp/pull-old"), { recursive: true });
  await writeFile(join(dir, "images/tmp/pull-old/1"), "half a layer");
  await writeFile(join(dir, "images/tmp/auth-old.json"), "secret");
  await open();
  expect(await readdir(join(dir, "images/tmp"))).toEqual([]);
});
