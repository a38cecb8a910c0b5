/**
 * Sample images, made with buildah from what is on this machine: its busybox and the project's own Node. Made once per machine
 * and content into a cache outside the repository, as a registry's files and as a containers-storage; a test's registry then
 * gets them as hard links.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cp,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { startRegistry, type TestRegistry } from "./registry.ts";

const run = promisify(execFile);
const here = import.meta.dirname;
const modules = resolve(here, "../../node_modules");

/** An image's own configuration, over its base. */
interface Variant {
  base: "app" | "busybox";
  env?: Record<string, string>;
  cmd?: string[];
  user?: string;
}

/**
 * What there is. `app:*` is test/support/app/server.mjs on Node (its head says what environment and requests make it do), `busybox` a
 * static busybox whose shell answers HTTP from /www. All images of one base share its layers.
 */
const variants = {
  /** Says "Hello World from 1" on PORT. */
  "app:1": { base: "app", env: { VERSION: "1" } },
  /** The same, as version 2 and 3: other digests. */
  "app:2": { base: "app", env: { VERSION: "2" } },
  "app:3": { base: "app", env: { VERSION: "3" } },
  /** Its command isn't there (the runtime ends with 127). */
  "app:missing-command": { base: "app", cmd: ["/usr/bin/no-such-command"] },
  /** Ends at once with 1; last line `Cannot start: DATABASE_URL is not set`. */
  "app:exits": { base: "app", env: { EXIT_AT_START: "1", LAST_LINE: "Cannot start: DATABASE_URL is not set" } },
  /** Runs, and listens nowhere. */
  "app:never-listens": { base: "app", env: { NEVER_LISTEN: "1" } },
  /** Listens after 2 s. */
  "app:slow-start": { base: "app", env: { VERSION: "slow", START_DELAY_MS: "2000" } },
  /** Takes memory until it is killed. */
  "app:oom": { base: "app", env: { OOM_AT_START: "1" } },
  /** Speaks HTTP/2 without TLS. */
  "app:h2c": { base: "app", env: { VERSION: "h2c", PROTOCOL: "h2c" } },
  /** Runs as user 1000. */
  "app:user": { base: "app", env: { VERSION: "user" }, user: "1000:1000" },
  "busybox:1": { base: "busybox" },
  /** Prints `no such table: users` and ends with 3. */
  "busybox:exits": { base: "busybox", cmd: ["/bin/sh", "-c", "echo 'no such table: users' >&2; exit 3"] },
} as const satisfies Record<string, Variant>;

/** `app:1`, `busybox:1` …: `HOST/NAME` is the image in a registry that has them. */
export type SampleImage = keyof typeof variants;

export interface ImageCache {
  /** A registry's files that hold every sample image. */
  registry: string;
  /**
   * A storage.conf whose store holds every sample image as `localhost/NAME`. In CONTAINERS_STORAGE_CONF of an `elafros up` it stands
   * for the machine's own store: images run without a registry, and pulling sample images from a registry copies no layers.
   */
  storageConf: string;
}

/** Makes the sample images where the cache doesn't have them: some seconds the first time, then nothing. */
export async function imageCache(): Promise<ImageCache> {
  const top = process.env["ELAFROS_TEST_CACHE"] ?? "/var/cache/elafros-test";
  const dir = join(top, await contentKey());
  const cache = { registry: join(dir, "registry"), storageConf: join(dir, "storage.conf") };
  const done = join(dir, "done");
  if (await exists(done)) return cache;
  const unlock = await lock(`elafros-test-images ${dir}`);
  const mask = process.umask(0o022); // images' files are for whoever runs in them, whatever the first test to make them has set
  try {
    if (!(await exists(done))) {
      await removeOld(top);
      await rm(dir, { recursive: true, force: true });
      await build(dir, cache);
      await writeFile(done, "");
    }
  } finally {
    process.umask(mask);
    await unlock();
  }
  return cache;
}

/**
 * Puts the sample images into a registry that runs on this machine, within milliseconds. Gives the full name of each:
 * `images["app:1"]` is `127.0.0.1:PORT/app:1`.
 */
export async function makeImages(registry: TestRegistry): Promise<Record<SampleImage, string>> {
  const cache = await imageCache();
  await linkTree(join(cache.registry, "docker"), join(registry.directory, "docker"));
  const names = Object.keys(variants).map((name) => [name, `${registry.host}/${name}`]);
  return Object.fromEntries(names) as Record<SampleImage, string>;
}

/** Points a tag of the registry to another of its images, as a push would: `retag(registry, "app:1", "app:2")`. */
export async function retag(registry: TestRegistry, tag: string, to: SampleImage): Promise<void> {
  await run("skopeo", [
    "copy",
    "-q",
    ...insecure,
    `docker://${registry.host}/${to}`,
    `docker://${registry.host}/${tag}`,
  ]);
}

const insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"];

/** What the images are made from, and how. */
async function contentKey(): Promise<string> {
  const hash = createHash("sha256");
  for (const file of [join(here, "app/server.mjs"), join(here, "images.ts"), join(modules, "ws/package.json")]) {
    hash.update(await readFile(file));
  }
  for (const file of [nodeBinary, await busyboxBinary()]) {
    const { size, mtimeMs } = await stat(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}

const nodeBinary = process.execPath;
const busyboxBinary = () => realpath("/bin/busybox");

async function build(dir: string, cache: ImageCache): Promise<void> {
  const roots = join(dir, "roots");
  await Promise.all([busyboxRoot(join(roots, "busybox")), appRoot(join(roots, "app"))]);
  const storage = { driver: "overlay", graphroot: join(dir, "store"), runroot: join(dir, "run") };
  await writeFile(
    cache.storageConf,
    [
      "[storage]",
      ...Object.entries(storage).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
      "[storage.options.overlay]",
      'skip_mount_home = "true"',
      "",
    ].join("\n"),
  );
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: cache.storageConf };
  const tool = async (...[name = "", ...args]: string[]) => (await run(name, args, { env })).stdout.trim();
  const registry = await startRegistry({ directory: cache.registry });
  const makeBase = async (base: Variant["base"]): Promise<void> => {
    const container = await tool("buildah", "from", "scratch");
    await tool("buildah", "copy", "-q", container, join(roots, base), "/");
    const config = ["--cmd", JSON.stringify(commands[base]), "--env", "PATH=/bin:/usr/bin"];
    await tool("buildah", "config", ...config, container);
    await tool("buildah", "commit", "-q", "--timestamp", "0", container, `localhost/base-${base}`);
    const [first, ...others] = Object.entries<Variant>(variants).filter(([, variant]) => variant.base === base);
    const makeAll = async (some: typeof others) => {
      for (const [name, variant] of some) await makeVariant(name, variant);
    };
    // The first one carries the layers to the registry; meanwhile the others are made, and find them there.
    if (first !== undefined) await makeVariant(...first);
    await Promise.all([push(first?.[0] ?? ""), makeAll(others)]);
    await Promise.all(others.map(([name]) => push(name)));
  };
  const makeVariant = async (name: string, variant: Variant): Promise<void> => {
    const derived = await tool("buildah", "from", "--pull-never", `localhost/base-${variant.base}`);
    await tool("buildah", "config", ...configArgs(variant), derived);
    await tool("buildah", "commit", "-q", "--rm", "--timestamp", "0", "--omit-history", derived, `localhost/${name}`);
  };
  const push = async (name: string): Promise<string> => {
    const copy = ["copy", "-q", "--dest-compress-level=1", "--dest-tls-verify=false"];
    return tool("skopeo", ...copy, `containers-storage:localhost/${name}`, `docker://${registry.host}/${name}`);
  };
  try {
    await Promise.all([makeBase("busybox"), makeBase("app")]);
    await tool("buildah", "rm", "--all");
  } finally {
    await registry.close();
  }
  await rm(roots, { recursive: true });
}

const commands = { app: ["/usr/bin/node", "/app/server.mjs"], busybox: ["/bin/sh", "/bin/serve"] };

function configArgs(variant: Variant): string[] {
  return [
    "--label",
    "sample=1",
    ...Object.entries(variant.env ?? {}).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ...(variant.cmd === undefined ? [] : ["--cmd", JSON.stringify(variant.cmd)]),
    ...(variant.user === undefined ? [] : ["--user", variant.user]),
  ];
}

/** A busybox with all its names, and a command that answers HTTP. */
async function busyboxRoot(root: string): Promise<void> {
  for (const dir of ["bin", "etc", "www", "tmp"]) await mkdir(join(root, dir), { recursive: true });
  await cp(await busyboxBinary(), join(root, "bin/busybox"));
  const { stdout } = await run(join(root, "bin/busybox"), ["--list"]);
  for (const name of stdout.split("\n")) {
    if (name !== "" && name !== "busybox") await symlink("busybox", join(root, "bin", name));
  }
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\napp:x:1000:\n");
  await writeFile(join(root, "www/index.html"), "Hello from busybox\n");
  // The first process of a container gets no signal that it doesn't take: httpd alone would always be killed after its grace.
  await writeFile(join(root, "bin/serve"), "trap 'exit 0' TERM\nhttpd -f -p \"${PORT:-8080}\" -h /www &\nwait\n");
}

/** The sample app on Node, with the libraries that Node needs, a shell, and getent for looking names up as libc does. */
async function appRoot(root: string): Promise<void> {
  await busyboxRoot(root);
  const place = async (file: string, at = file) => {
    await mkdir(dirname(join(root, at)), { recursive: true });
    await cp(await realpath(file), join(root, at));
  };
  await place(nodeBinary, "/usr/bin/node");
  await place("/usr/bin/getent");
  const { stdout } = await run("ldd", [nodeBinary]);
  for (const [, library = ""] of stdout.matchAll(/(\/\S+) \(0x/gu)) await place(library);
  await writeFile(join(root, "etc/nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n");
  await place(join(here, "app/server.mjs"), "/app/server.mjs");
  await cp(join(modules, "ws"), join(root, "app/node_modules/ws"), { recursive: true });
}

/**
 * Copies a registry's files: blobs, which never change, as hard links; the small files that name them as copies, because a
 * registry writes those in place.
 */
export async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    if ((await lstat(source)).isDirectory()) await linkTree(source, target);
    else if (name === "data") await linkOver(source, target);
    else await cp(source, target);
  }
}

async function linkOver(source: string, target: string): Promise<void> {
  try {
    await link(source, `${target}.new`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await cp(source, `${target}.new`); // the cache is on another file system
  }
  await rename(`${target}.new`, target);
}

/** Removes what was made of other contents, unless it is so new that another checkout may be using it. */
async function removeOld(top: string): Promise<void> {
  for (const name of await readdir(top).catch(() => [])) {
    const dir = join(top, name);
    const made = await stat(join(dir, "done")).catch(() => stat(dir));
    if (Date.now() - made.mtimeMs > 24 * 3_600_000) await rm(dir, { recursive: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Waits for a lock of this machine that ends with its holder's process, however that ends. Other networks' processes wait for it too. */
export async function lock(name: string): Promise<() => Promise<void>> {
  const path = join(tmpdir(), `elafros-test-lock-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`);
  const holder = spawn("flock", [path, "sh", "-c", "echo locked; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(holder, "exit");
  await Promise.race([
    once(holder.stdout, "data"),
    exited.then(() => Promise.reject(new Error(`Cannot take the lock ${path}`))),
  ]);
  return async () => {
    holder.stdin.end();
    await exited;
  };
}
