/**
 * The root of a step of the tools image: a small directory of our own, into which this machine's programs are mounted read-only, and of /etc only what programs
 * need to run and to talk to registries. Nothing of it is secret: private keys of TLS servers and of registries' clients, and credentials, stay outside.
 */
import { createHash } from "node:crypto";
import {
  access,
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { BundleMount } from "./bundle.ts";
import { names } from "./files.ts";
import type { ImageRoot } from "./parts.ts";
import type { StorageDriver } from "./storage-config.ts";

/** The tools image, ready to be a root. */
export interface Tools {
  image: ImageRoot;
  mounts: BundleMount[];
}

/** Directories of a machine's programs; where they are links into /usr they are links in the root too. */
const programs = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/** What is mounted of /etc: alternatives of programs, the linker's cache, and authorities' certificates (/etc/ssl/private lies beside them). */
const fromEtc = ["/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs"];
/** What is copied of /etc, below these names. Of registries' certificates only those of authorities: `*.key` is a client's. */
const copied = [
  { from: "/etc/containers/policy.json" },
  { from: "/etc/containers/registries.conf" },
  { from: "/etc/containers/registries.conf.d", names: /\.conf$/ },
  { from: "/etc/containers/registries.d", names: /\.yaml$/ },
  { from: "/etc/containers/certs.d", names: /\.crt$/ },
  { from: "/etc/docker/certs.d", names: /\.crt$/ },
  { from: "/etc/ssl/openssl.cnf" },
];
const largestCopy = 1 << 20;

/** The program's own files, and how its entries are called: sources in a checkout, compiled otherwise. */
const code = resolve(import.meta.dirname, "../..");
const extension = import.meta.filename.endsWith(".ts") ? "ts" : "js";
const inside = "/elafros";

/** Makes the root below `dir`, where it isn't there yet. Roots of before stay: steps that go on may stand on them. */
export async function makeTools(dir: string, driver: StorageDriver): Promise<Tools> {
  const mounts = await toolMounts();
  const files = new Map([...rootFiles(driver), ...(await copies())]);
  const links = await programLinks();
  const hash = createHash("sha256").update(JSON.stringify([[...files], [...links]]));
  const root = join(dir, `tools-${hash.digest("hex").slice(0, 16)}`);
  const present = await access(root).then(
    () => true,
    () => false,
  );
  if (!present) await writeRoot(root, files, links);
  return { image: { id: basename(root), layers: [root], config: toolConfig }, mounts };
}

/** Removes the roots that aren't this one. Nothing may run on them. */
export async function removeOldTools(dir: string, { image }: Tools): Promise<void> {
  for (const name of await names(dir)) {
    if (name.startsWith("tools-") && name !== image.id) await rm(join(dir, name), { recursive: true });
  }
}

const toolConfig: ImageRoot["config"] = {
  env: [
    `PATH=${inside}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    `CONTAINERS_STORAGE_CONF=${inside}/etc/storage.conf`,
    "BUILDAH_ISOLATION=chroot",
    "GIT_TERMINAL_PROMPT=0",
    "LANG=C.UTF-8",
  ],
  entrypoint: [],
  cmd: ["/bin/sh"],
  user: "",
  workingDir: "",
  stopSignal: "",
  volumes: [],
};

function rootFiles(driver: StorageDriver): [string, string][] {
  const wrapper = (name: string) =>
    `#!/bin/sh\nexec ${inside}/bin/node --disable-warning=ExperimentalWarning ${inside}/program/${basename(code)}/runtime/${name}/main.${extension} "$@"\n`;
  const storage = [
    "[storage]",
    `driver = "${driver}"`,
    'graphroot = "/builder/cache/storage"',
    'runroot = "/tmp/containers"',
    "[storage.options]",
    'additionalimagestores = ["/builder/bases"]',
    "",
  ].join("\n");
  return [
    [
      "/etc/passwd",
      "root:x:0:0:root:/builder/home:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ],
    ["/etc/group", "root:x:0:\nnogroup:x:65534:\n"],
    ["/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"],
    // Whoever owns the files of a workspace or of a repository of the machine: all is one build's.
    ["/etc/gitconfig", "[safe]\n\tdirectory = *\n"],
    [`${inside}/bin/elafros-builder`, wrapper("builder")],
    [`${inside}/bin/elafros-fetch`, wrapper("fetch")],
    [`${inside}/etc/storage.conf`, storage],
  ];
}

async function writeRoot(root: string, files: Map<string, string>, links: Map<string, string>): Promise<void> {
  const temporary = `${root}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  for (const [path, text] of files) {
    const at = join(temporary, path);
    await mkdir(dirname(at), { recursive: true, mode: 0o755 });
    await writeFile(at, text);
    await chmod(at, path.startsWith(`${inside}/bin/`) ? 0o755 : 0o644);
  }
  for (const [name, target] of links) await symlink(target, join(temporary, name));
  for (const path of ["builder", "dev", "proc", "run", "sys", "usr", "var", "workspace"]) {
    await mkdir(join(temporary, path), { recursive: true, mode: 0o755 });
  }
  for (const path of ["tmp", "var/tmp"]) {
    await mkdir(join(temporary, path), { recursive: true });
    await chmod(join(temporary, path), 0o1777);
  }
  await symlink("/run", join(temporary, "var/run"));
  await rename(temporary, root);
}

/** Top directories that are links here, as `bin` is to `usr/bin`. */
async function programLinks(): Promise<Map<string, string>> {
  const links = new Map<string, string>();
  for (const name of programs) {
    const path = `/${name}`;
    if (!(await isThere(path)) || !(await lstat(path)).isSymbolicLink()) continue;
    const target = await realpath(path);
    if (target.startsWith("/usr/")) links.set(name, target.slice(1));
  }
  return links;
}

/** Without what may be mounted below: that would stay writable. */
const readOnly = ["bind", "rprivate", "nosuid", "nodev", "ro"];

async function toolMounts(): Promise<BundleMount[]> {
  const bind = (source: string, destination = source): BundleMount => ({ destination, source, options: readOnly });
  const links = await programLinks();
  const own: string[] = [];
  for (const path of [...programs.filter((name) => !links.has(name)).map((name) => `/${name}`), ...fromEtc]) {
    if (await isThere(path)) own.push(path);
  }
  const mounts = [bind("/usr"), ...own.map((path) => bind(path))];
  if (await isThere("/usr/local/etc")) {
    // Configuration of whatever the administrator installed there is nothing that builds need.
    mounts.push({
      destination: "/usr/local/etc",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "nodev", "ro"],
    });
  }
  return [...mounts, ...(await programMounts(bind)), bind(await realpath(process.execPath), `${inside}/bin/node`)];
}

/** The program as it runs here: its code, `package.json`, and the packages that it finds, which npm may have put beside it. */
async function programMounts(bind: (source: string, destination: string) => BundleMount): Promise<BundleMount[]> {
  const root = dirname(code);
  const at = `${inside}/program`;
  const mounts = [bind(code, `${at}/${basename(code)}`), bind(join(root, "package.json"), `${at}/package.json`)];
  const own = join(root, "node_modules");
  if (await isThere(own)) mounts.push(bind(await realpath(own), `${at}/node_modules`));
  // Node looks for packages in each directory above.
  if (basename(dirname(root)) === "node_modules") mounts.push(bind(dirname(root), `${inside}/node_modules`));
  return mounts;
}

async function copies(): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const { from, names: wanted } of copied) {
    for (const path of wanted === undefined ? [from] : await filesBelow(from, wanted)) {
      const text = await readFile(path, "utf8").catch(() => undefined);
      if (text !== undefined && text.length <= largestCopy) found.push([path, text]);
    }
  }
  return found;
}

/** Files in a directory and in those directly below it. */
async function filesBelow(dir: string, wanted: RegExp): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true }).catch(() => []);
  const depth = (path: string) => path.slice(dir.length).split("/").length;
  return entries
    .filter((entry) => wanted.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => depth(path) <= 3)
    .sort();
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
