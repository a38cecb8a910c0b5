/** What stand-in images hold besides packages. */
import { execFile } from "node:child_process";
import { access, copyFile, cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { needTool } from "../../runtime/oci/storage-run.ts";
import type { Recipe } from "./recipes.ts";

type Part = NonNullable<Recipe["with"]>[number];

const run = promisify(execFile);

/** Where a machine has the certificates that it trusts, in Debian's and other distributions' places. */
const trusted = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/** Puts a part below the root of an image. */
export const putPart: Record<Part, (root: string) => Promise<void>> = {
  accounts: async (root) => {
    await mkdir(join(root, "etc"), { recursive: true });
    await mkdir(join(root, "tmp"), { recursive: true, mode: 0o1777 });
    await needTool("chmod", ["1777", join(root, "tmp")]); // mkdir's mode passes through the umask
    await mkdir(join(root, "home/app"), { recursive: true });
    await needTool("chown", ["1000:1000", join(root, "home/app")]);
    const write = (name: string, text: string) => writeFile(join(root, "etc", name), text);
    await write(
      "passwd",
      "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    );
    await write("group", "root:x:0:\napp:x:1000:\nnogroup:x:65534:\n");
    await write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  },
  certificates: async (root) => {
    const [bundle] = (await Promise.all(trusted.map(async (path) => ((await exists(path)) ? [path] : [])))).flat();
    if (bundle === undefined) {
      throw new Error(
        `Cannot find the machine's certificates: none of ${trusted.join(", ")} is there. apt-get install ca-certificates`,
      );
    }
    await mkdir(join(root, "etc/ssl/certs"), { recursive: true });
    await copyFile(bundle, join(root, "etc/ssl/certs/ca-certificates.crt"));
  },
  busybox: async (root) => {
    const program = join(root, "usr/bin/busybox");
    const { stdout } = await run(program, ["--list"]);
    for (const name of stdout.split("\n").filter((each) => each !== "" && each !== "busybox")) {
      await symlink("busybox", join(root, "usr/bin", name)).catch(ignoreExisting);
    }
  },
  node: async (root) => {
    await mkdir(join(root, "usr/local/bin"), { recursive: true });
    await copyFile(await nodeProgram(), join(root, "usr/local/bin/node"));
  },
  npm: async (root) => {
    const place = join(root, "usr/local/lib/node_modules/npm");
    await mkdir(dirname(place), { recursive: true });
    await withNpm((directory) => cp(directory, place, { recursive: true, verbatimSymlinks: true }));
    for (const part of ["docs", "man"]) await rm(join(place, part), { recursive: true, force: true });
    for (const [name, file] of [
      ["npm", "npm-cli.js"],
      ["npx", "npx-cli.js"],
    ] as const) {
      await needTool("chmod", ["755", join(place, "bin", file)]);
      await symlink(`../lib/node_modules/npm/bin/${file}`, join(root, "usr/local/bin", name)).catch(ignoreExisting);
    }
  },
};

/** The Node.js that comes with this Elafros, else the one that runs this. */
export async function nodeProgram(): Promise<string> {
  const name = `node-linux-${process.arch === "arm64" ? "arm64" : "x64"}`;
  try {
    const packaged = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), "bin/node");
    return await realpath(packaged);
  } catch {
    return realpath(process.execPath);
  }
}

/** Calls `use` with a directory that holds npm whole: the machine's, where it has one that needs nothing else; else the registry's. */
async function withNpm(use: (directory: string) => Promise<void>): Promise<void> {
  for (const directory of ["/usr/lib/node_modules/npm", "/usr/local/lib/node_modules/npm"]) {
    // Debian's own npm has its parts elsewhere, as packages.
    if (await exists(join(directory, "node_modules/semver/package.json"))) return use(await realpath(directory));
  }
  const directory = await mkdtemp(join(tmpdir(), "elafros-npm-"));
  try {
    await needTool("npm", ["install", "--no-audit", "--no-fund", "--prefix", directory, "npm@11"]);
    await use(join(directory, "node_modules/npm"));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}
