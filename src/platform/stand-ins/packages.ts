/** The distribution's packages: which belong together, and their files, downloaded once per machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { needTool, runTool } from "../../runtime/oci/storage-run.ts";

/** A package's file as the distribution offers it. */
export interface PackageFile {
  name: string;
  /** `libc6_2.36-9_amd64.deb`. */
  file: string;
  bytes: number;
  /** The archive's hash of it: with it in hand, a change of the package is seen. */
  hash: string;
}

/** Where downloaded packages are kept, for all installations of the machine. */
const packageCache = "/var/cache/elafros/packages";

const archives = "/var/cache/apt/archives";
// apt says so on standard output only where nobody parses it; its own user can't write into our directory.
const dependsOf = [
  "depends",
  "--recurse",
  ...["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"].map((kind) => `--no-${kind}`),
];
const apt = ["-qq", "-o", "APT::Sandbox::User=root"];

/** Packages that are wanted, with their dependencies as far as `follow` names those. */
export interface Wanted {
  packages: readonly string[];
  follow?: RegExp;
}

/**
 * Finds what is wanted, for each the files to unpack: all at once, for each question to apt takes its time. Asks for fresh package lists where a package isn't known.
 * @throws where a package isn't known, naming it
 */
export async function findPackages(wanted: readonly Wanted[]): Promise<PackageFile[][]> {
  const roots = [...new Set(wanted.flatMap(({ packages, follow }) => (follow === undefined ? [] : packages)))];
  const asked =
    roots.length === 0 ? "" : (await runTool("apt-cache", [...dependsOf, ...roots])).stdout.toString("utf8");
  const depends = parseDepends(asked);
  const names = wanted.map(({ packages, follow }) =>
    follow === undefined ? packages : followDepends(depends, packages, follow),
  );
  const all = [...new Set(names.flat())];
  if (all.length === 0) return names.map(() => []);
  const uris = [...apt, "download", "--print-uris", ...all];
  let found = await runTool("apt-get", uris);
  if (found.code !== 0) {
    await needTool("apt-get", [...apt, "update"]);
    found = { code: 0, stdout: Buffer.from(await needTool("apt-get", uris)), stderr: "" };
  }
  const files = new Map(parseUris(found.stdout.toString("utf8")).map((file) => [file.name, file]));
  return names.map((list) => list.flatMap((name) => files.get(name) ?? []));
}

/** Reads `apt-get download --print-uris`: `'URI' FILE BYTES HASH` a line. */
export function parseUris(text: string): PackageFile[] {
  return [...text.matchAll(/^'[^']+' (\S+) (\d+) (\S*)$/gmu)].map(([, file = "", bytes = "0", hash = ""]) => ({
    name: file.split("_")[0] ?? file,
    file,
    bytes: Number(bytes),
    hash,
  }));
}

/**
 * Reads `apt-cache depends --recurse`: a package's name at the start of a line, below it what it depends on, indented. Of alternatives (`|Depends:`) the first counts; what
 * is only provided by others (`<name>`) is followed by its first provider.
 */
export function parseDepends(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let list: string[] = [];
  let alternative = false;
  let virtual = false;
  for (const line of text.split("\n")) {
    const depends = /^ ([ |])(?:Pre)?Depends: (\S+)$/u.exec(line);
    if (/^[^\s<]/u.test(line)) {
      list = found.get(line) ?? [];
      found.set(line, list);
    } else if (depends !== null) {
      const [, bar, name = ""] = depends;
      virtual = name.startsWith("<") && !alternative;
      if (!alternative && !virtual) list.push(plain(name));
      alternative = bar === "|";
    } else if (virtual && line.startsWith("    ")) {
      list.push(plain(line.trim()));
      virtual = false;
    }
  }
  return found;
}

function plain(name: string): string {
  return name.replace(/^<|>$|:.*$/gu, "");
}

/** The roots and what they depend on, directly or not, as far as `follow` names it; sorted. */
export function followDepends(
  depends: ReadonlyMap<string, readonly string[]>,
  roots: readonly string[],
  follow: RegExp,
): string[] {
  const wanted = new Set(roots);
  for (const name of wanted) {
    for (const next of depends.get(name) ?? []) if (follow.test(next)) wanted.add(next);
  }
  return [...wanted].sort();
}

/** Gives the paths of some packages' files, downloaded where neither our cache nor apt's has them. */
export async function downloadPackages(files: readonly PackageFile[], cache = packageCache): Promise<string[]> {
  await mkdir(cache, { recursive: true, mode: 0o755 });
  const paths = await Promise.all(
    files.map(async (each) => {
      for (const path of [join(cache, each.file), join(archives, each.file)]) {
        if ((await stat(path).catch(() => undefined))?.size === each.bytes) return path;
      }
      return undefined;
    }),
  );
  const missing = files.filter((_, index) => paths[index] === undefined);
  if (missing.length > 0) {
    // Into a directory of its own: one that was cut off must not be taken for whole, nor two at once meet.
    const partial = join(cache, `partial-${process.pid}`);
    await mkdir(partial, { recursive: true });
    const download = [...apt, "download", ...missing.map(({ name }) => name)];
    if ((await runTool("apt-get", download, { cwd: partial })).code !== 0) {
      await needTool("apt-get", [...apt, "update"]);
      await needTool("apt-get", download, { cwd: partial });
    }
    for (const { file } of missing) await rename(join(partial, file), join(cache, file));
    await needTool("rm", ["-r", partial]);
  }
  return files.map(({ file }, index) => paths[index] ?? join(cache, file));
}

/** Unpacks a package's files below a directory, through the links that are there already (`bin` → `usr/bin`). */
export async function unpackPackage(path: string, root: string, leaveOut: readonly string[]): Promise<void> {
  const read = spawn("dpkg-deb", ["--fsys-tarfile", path], { stdio: ["ignore", "pipe", "pipe"] });
  const exclude = leaveOut.map((pattern) => `--exclude=${pattern}`);
  const write = spawn("tar", ["--extract", "--keep-directory-symlink", ...exclude, "--directory", root], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  write.stdin.on("error", () => {}); // its exit code says why
  read.stdout.pipe(write.stdin);
  await Promise.all([ended(read, "dpkg-deb", path), ended(write, "tar", path)]);
}

function ended(child: ChildProcess, tool: string, path: string): Promise<void> {
  let words = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (words = (words + text).slice(-2_000)));
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`Cannot run ${tool}: ${error.message}`, { cause: error })));
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`Cannot unpack ${path}: ${tool} ended with exit code ${code}: ${words.trim()}`));
    });
  });
}
