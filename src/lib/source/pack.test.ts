import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";

import { packDirectory } from "./pack.ts";

const run = promisify(execFile);
const mebibyte = 1 << 20;

interface Scratch {
  root: string;
  write: (path: string, content: string | Uint8Array, mode?: number) => Promise<void>;
  pack: (maxBytes?: number) => ReturnType<typeof packDirectory>;
  file: string;
}

async function scratch(): Promise<Scratch> {
  const base = await mkdtemp(join(tmpdir(), "elafros-pack-"));
  onTestFinished(() => rm(base, { recursive: true }));
  const root = join(base, "source");
  await mkdir(root);
  const file = join(base, "source.tar.gz");
  return {
    root,
    file,
    write: async (path, content, mode = 0o644) => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
      await chmod(join(root, path), mode);
    },
    pack: async (maxBytes = mebibyte) => {
      await rm(file, { force: true });
      return packDirectory(root, { file, maxBytes });
    },
  };
}

describe("packDirectory()", () => {
  test("gives the digest of an archive that tar unpacks, with plain modes, owners and times", async () => {
    const { write, pack, file, root } = await scratch();
    await write("bin/run", "#!/bin/sh\n", 0o4711);
    await write("lib/ünïcode/naïve file.txt", "text", 0o600);
    await write(`${"long/".repeat(40)}name`, "deep");
    await symlink("../lib/ünïcode", join(root, "bin/link"));
    const packed = await pack();
    const bytes = await readFile(file);
    expect(packed).toEqual({
      digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
      bytes: bytes.length,
      entries: 4,
    });
    expect([...bytes.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    const env = { ...process.env, TZ: "UTC", LC_ALL: "C.UTF-8" };
    const { stdout } = await run("tar", ["--numeric-owner", "-tvzf", file], { env });
    const lines = stdout.trimEnd().split("\n");
    expect(lines.map((line) => line.replaceAll(/ +/g, " "))).toEqual([
      "lrwxrwxrwx 0/0 0 1970-01-01 00:00 bin/link -> ../lib/ünïcode",
      "-rwxr-xr-x 0/0 10 1970-01-01 00:00 bin/run",
      "-rw-r--r-- 0/0 4 1970-01-01 00:00 lib/ünïcode/naïve file.txt",
      `-rw-r--r-- 0/0 4 1970-01-01 00:00 ${"long/".repeat(40)}name`,
    ]);
  });

  test(
    "gives the same bytes for the same files, whatever their times and the order they were made in",
    { timeout: 60_000 },
    async () => {
      const content = fc.uint8Array({ maxLength: 2000 });
      const files = fc.dictionary(fc.constantFrom("a", "b/c", "b/d", "é/x", "z.sh", "b/e/f/g"), content, {
        minKeys: 1,
      });
      await fc.assert(
        fc.asyncProperty(files, fc.boolean(), async (all, executable) => {
          const digests = [];
          for (const order of [Object.entries(all), Object.entries(all).reverse()]) {
            const base = await mkdtemp(join(tmpdir(), "elafros-pack-"));
            try {
              for (const [path, bytes] of order) {
                const place = join(base, "source", path);
                await mkdir(dirname(place), { recursive: true });
                await writeFile(place, bytes, { mode: executable ? 0o755 : 0o600 });
                await utimes(place, digests.length * 1000, digests.length * 1000);
              }
              const file = join(base, "out");
              digests.push(await packDirectory(join(base, "source"), { file, maxBytes: mebibyte }));
              if (digests.length === 2) {
                await mkdir(join(base, "back"));
                await run("tar", ["-xzf", file, "-C", join(base, "back")]);
                for (const [path, bytes] of order) {
                  expect(await readFile(join(base, "back", path))).toEqual(Buffer.from(bytes));
                }
              }
            } finally {
              await rm(base, { recursive: true });
            }
          }
          expect(digests[0]).toEqual(digests[1]);
        }),
        { numRuns: 25 },
      );
    },
  );

  test("gives another digest for another content, name, mode or link", async () => {
    const { write, pack, root } = await scratch();
    const digests = [];
    await write("a", "1");
    digests.push((await pack()).digest);
    await write("a", "2");
    digests.push((await pack()).digest);
    await write("a", "2", 0o755);
    digests.push((await pack()).digest);
    await write("b", "");
    digests.push((await pack()).digest);
    await symlink("a", join(root, "c"));
    digests.push((await pack()).digest);
    expect(new Set(digests).size).toBe(5);
  });

  test.each([
    ["an absolute link", "/etc/passwd"],
    ["a link above the source", "../../x"],
    ["a link out by another one", "deep/up/../.."],
  ])("refuses %s, naming it, its target and the way out", async (_what, target) => {
    const { write, pack, root, file } = await scratch();
    await write("deep/er/x", "");
    await symlink("..", join(root, "deep/up"));
    await pack();
    await symlink(target, join(root, "out"));
    await expect(pack()).rejects.toThrow(
      `Cannot pack "out": it is a symbolic link to ${JSON.stringify(target)}, which leads out of the source; copy there what it leads to, or leave it out with a line in .elafrosignore`,
    );
    await write(".elafrosignore", "/out\n");
    expect((await pack()).entries).toBe(3);
    expect(await readFile(file)).not.toHaveLength(0);
  });

  test("refuses a socket, a pipe and what it may not read, and leaves no archive", async () => {
    const { write, pack, root } = await scratch();
    await write("a", "1");
    await run("mkfifo", [join(root, "pipe")]);
    await expect(pack()).rejects.toThrow('Cannot pack "pipe": it is a pipe, not a file');
    await rm(join(root, "pipe"));
    const server = createServer().listen(join(root, "socket"));
    onTestFinished(() => {
      server.close();
    });
    await expect.poll(() => readdir(root)).toContain("socket");
    await expect(pack()).rejects.toThrow('Cannot pack "socket": it is a socket, not a file');
    expect(await readdir(join(root, ".."))).toEqual(["source"]);
  });

  test("stops at the limit and says what is large", async () => {
    const { write, pack, root } = await scratch();
    const noise = createHash("shake256", { outputLength: 300_000 }).update("x").digest();
    await write("data/noise", noise);
    await write("small", "s");
    await expect(pack(100_000)).rejects.toThrow(
      `Directory "${root}" is over the limit of 97.7 KiB when packed; leave out what the build doesn't need with lines in .elafrosignore (largest: data 293.0 KiB, small 1 bytes)`,
    );
    expect(await readdir(join(root, ".."))).toEqual(["source"]);
  });

  test("refuses a directory without files and one that isn't there", async () => {
    const { pack, root, write } = await scratch();
    await expect(pack()).rejects.toThrow(`Directory "${root}" has no files to build: it is empty`);
    await write(".gitignore", "*\n");
    await expect(pack()).rejects.toThrow("has no files to build");
    await rm(root, { recursive: true });
    await expect(pack()).rejects.toThrow(`Cannot read "${root}" of the source: it is not there any more`);
  });

  test("ends when told to", async () => {
    const { write, root, file } = await scratch();
    await write("a", "1");
    const ended = packDirectory(root, { file, maxBytes: mebibyte, signal: AbortSignal.abort() });
    await expect(ended).rejects.toThrow("aborted");
    expect(await readdir(join(root, ".."))).toEqual(["source"]);
  });
});
