import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { realpath } from "node:fs";
import { link, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";

import { tarOf, type TarPart, zipOf } from "../../../test/support/archives.ts";
import { packDirectory } from "../../lib/source/pack.ts";
import { pathsBelow } from "../oci/files.ts";
import { createBudget } from "./budget.ts";
import { unpack } from "./unpack.ts";

const run = promisify(execFile);
const limits = { bytes: 64 << 20, entries: 1000 };

interface Scratch {
  base: string;
  workspace: string;
  /** Unpacks an archive into the workspace. */
  unpacked: (archive: Uint8Array, own?: Partial<typeof limits>) => Promise<void>;
  /** Everything below the base besides the workspace and the archive. */
  outside: () => Promise<string[]>;
}

async function scratch(): Promise<Scratch> {
  const base = await mkdtemp(join(tmpdir(), "elafros-unpack-"));
  onTestFinished(() => rm(base, { recursive: true }));
  const workspace = join(base, "a/workspace");
  await mkdir(workspace, { recursive: true });
  await writeFile(join(base, "victim"), "untouched");
  const file = join(base, "archive");
  return {
    base,
    workspace,
    unpacked: async (archive, own = {}) => {
      await writeFile(file, archive);
      const budget = createBudget({ ...limits, ...own });
      await unpack(file, { directory: workspace, shown: 'archive "x"', budget });
    },
    outside: async () => {
      const all = await readdir(base, { recursive: true });
      const own = all.filter(
        (path) => !path.startsWith("a/workspace/") && !["a", "a/workspace", "archive"].includes(path),
      );
      return [...own, await readFile(join(base, "victim"), "utf8")];
    },
  };
}

/** Each path with what is there: text, link target, or nothing for a directory. */
async function contents(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const place of pathsBelow(root)) {
    const path = place.slice(root.length + 1);
    const stat = await lstat(place);
    if (stat.isSymbolicLink()) found[path] = `-> ${await readlink(place)}`;
    else if (stat.isFile()) found[path] = await readFile(place, "latin1");
  }
  return found;
}

/** Where a path really is; undefined for a link that leads nowhere. By the system itself: Node's own takes `..` for text. */
async function realpathOf(path: string): Promise<string | undefined> {
  return promisify(realpath.native)(path).catch(() => undefined);
}

/** Properties make many directories: what a slow disk needs for them is no failure. */
const slow = { timeout: 60_000 };

describe("unpack()", () => {
  test("gives back what packDirectory() packed", slow, async () => {
    const content = fc.uint8Array({ maxLength: 3000 });
    const path = fc.constantFrom("a", "b/c", "b/d/e", "é/ü", "z.sh");
    const target = fc.constantFrom("a", "b", "../x", ".", "b/c", "missing");
    await fc.assert(
      fc.asyncProperty(fc.dictionary(path, content, { minKeys: 1 }), target, async (files, to) => {
        const base = await mkdtemp(join(tmpdir(), "elafros-unpack-"));
        try {
          const from = join(base, "from");
          const back = join(base, "back");
          await mkdir(back);
          for (const [name, bytes] of Object.entries(files)) {
            await mkdir(dirname(join(from, name)), { recursive: true });
            await writeFile(join(from, name), bytes, { mode: name === "z.sh" ? 0o755 : 0o644 });
          }
          await mkdir(join(from, "links"));
          await symlink(to, join(from, "links/l"));
          await packDirectory(from, { file: join(base, "archive"), maxBytes: 1 << 20 });
          await unpack(join(base, "archive"), { directory: back, shown: "x", budget: createBudget(limits) });
          expect(await contents(back)).toEqual(await contents(from));
          if (files["z.sh"] !== undefined) expect((await lstat(join(back, "z.sh"))).mode & 0o777).toBe(0o755);
        } finally {
          await rm(base, { recursive: true });
        }
      }),
      { numRuns: 30 },
    );
  });

  test("makes plain files of what tar packs: hard links, set-user-id, closed and foreign ones", async () => {
    const { base, workspace, unpacked } = await scratch();
    const root = join(base, "root");
    await mkdir(join(root, "d"), { recursive: true });
    await writeFile(join(root, "d/file"), "text", { mode: 0o400 });
    await link(join(root, "d/file"), join(root, "linked"));
    await writeFile(join(root, "suid"), "#!");
    await run("chmod", ["6711", join(root, "suid")]);
    await run("tar", ["cf", join(base, "t"), "--owner=1234", "--group=1234", "-C", root, "."]);
    await unpacked(await readFile(join(base, "t")));
    expect(await contents(workspace)).toEqual({ "d/file": "text", linked: "text", suid: "#!" });
    const stat = async (path: string) => {
      const { mode, uid, gid } = await lstat(join(workspace, path));
      return [(mode & 0o7777).toString(8), uid === process.getuid?.(), gid === process.getgid?.()];
    };
    expect(await stat("suid")).toEqual(["755", true, true]);
    expect(await stat("d/file")).toEqual(["644", true, true]);
    expect(await stat("d")).toEqual(["755", true, true]);
  });

  test("keeps links that stay inside, also before what they lead to", async () => {
    const { workspace, unpacked } = await scratch();
    await unpacked(
      tarOf([
        { name: "first", type: "2", link: "d/file" },
        { name: "d/up", type: "2", link: ".." },
        { name: "d/file", content: "text" },
        { name: "dangling", type: "2", link: "nowhere" },
      ]),
    );
    expect(await contents(workspace)).toEqual({
      first: "-> d/file",
      "d/up": "-> ..",
      "d/file": "text",
      dangling: "-> nowhere",
    });
  });

  const hostile: [string, TarPart[], string][] = [
    [
      "a path above",
      [{ name: "../victim", content: "x" }],
      'Entry "../victim" of archive "x" would be written outside of the source',
    ],
    ["a path above, further in", [{ name: "a/../../victim", content: "x" }], "would be written outside of the source"],
    ["an absolute path", [{ name: "/tmp/elafros-evil", content: "x" }], "would be written outside of the source"],
    [
      "a link out",
      [{ name: "l", type: "2", link: "../../victim" }],
      'Entry "l" of archive "x" is a symbolic link to "../../victim", which leads out of the source',
    ],
    ["an absolute link", [{ name: "l", type: "2", link: "/etc/passwd" }], "which leads out of the source"],
    [
      "a link to a directory out and a file through it",
      [
        { name: "l", type: "2", link: "../.." },
        { name: "l/victim", content: "x" },
      ],
      'Entry "l" of archive "x" is a symbolic link and also a directory with files in it',
    ],
    [
      "a link to a directory inside and a file through it",
      [
        { name: "d/", type: "5" },
        { name: "l", type: "2", link: "d" },
        { name: "l/file", content: "x" },
      ],
      "is a symbolic link and also a directory with files in it",
    ],
    [
      "links that only together lead out",
      [
        { name: "p/q/b", type: "2", link: ".." },
        { name: "l", type: "2", link: "p/q/b/../.." },
      ],
      'Entry "l" of archive "x" is a symbolic link to "p/q/b/../..", which leads out',
    ],
    [
      "a link, then a file in its place",
      [
        { name: "l", type: "2", link: "x" },
        { name: "l", content: "x" },
      ],
      'Entry "l" of archive "x" is there twice',
    ],
    ["a hard link out", [{ name: "h", type: "1", link: "../../victim" }], "would be written outside of the source"],
    [
      "an absolute hard link",
      [{ name: "h", type: "1", link: "/etc/passwd" }],
      "would be written outside of the source",
    ],
    [
      "a hard link through a link out",
      [
        { name: "l", type: "2", link: "../.." },
        { name: "h", type: "1", link: "l/victim" },
      ],
      "is a hard link to something that isn't a file before it",
    ],
    [
      "a hard link to a link out, then a file through it",
      [
        { name: "l", type: "2", link: "../../victim" },
        { name: "h", type: "1", link: "l" },
        { name: "h", content: "x" },
      ],
      "is a hard link to something that isn't a file before it",
    ],
    [
      "a device",
      [{ name: "null", type: "3" }],
      'Entry "null" of archive "x" is a device, a pipe or something else that is no file',
    ],
    ["a block device", [{ name: "sda", type: "4" }], "is a device, a pipe"],
    ["a pipe", [{ name: "pipe", type: "6" }], "is a device, a pipe"],
    [
      "a file twice",
      [
        { name: "a", content: "1" },
        { name: "./a", content: "2" },
      ],
      'Entry "a" of archive "x" is there twice: pack it once',
    ],
    [
      "a file that is also a directory",
      [
        { name: "a", content: "1" },
        { name: "a/b", content: "2" },
      ],
      'Entry "a" of archive "x" is there twice',
    ],
    [
      "a directory that is also a file",
      [
        { name: "a/b", content: "1" },
        { name: "a", content: "2" },
      ],
      "is there twice",
    ],
    ["a NUL in a name", [{ name: "a", pax: { path: "b\0c" }, content: "1" }], "has a name that no file can have"],
    ["no name", [{ name: "./", content: "1", type: "0" }], "has no name"],
    ["a sparse file", [{ name: "a", pax: { "GNU.sparse.major": "1" }, content: "1" }], "is a sparse file"],
    ["a size that is no number", [{ name: "a", pax: { size: "x" }, content: "1" }], "is damaged or not complete"],
    [
      "too many entries",
      Array.from({ length: 1001 }, (_, index) => ({ name: `f${index}`, content: "" })),
      "holds more than 1000 files and directories",
    ],
  ];
  test.each(hostile)("refuses %s, and touches nothing outside", async (_what, parts, message) => {
    const { unpacked, outside, workspace } = await scratch();
    for (const archive of [tarOf(parts), gzipSync(tarOf(parts))]) {
      await rm(workspace, { recursive: true });
      await mkdir(workspace);
      await expect(unpacked(archive)).rejects.toThrow(message);
      expect(await outside()).toEqual(["victim", "untouched"]);
    }
  });

  test.each([
    ["a path above", { name: "../victim", content: "x" }, "would be written outside of the source"],
    ["a path above with backslashes", { name: "..\\victim", content: "x" }, "would be written outside of the source"],
    ["an absolute path", { name: "/tmp/elafros-evil", content: "x" }, "would be written outside of the source"],
    ["a link out", { name: "l", content: "../../victim", mode: 0o120777 }, "which leads out of the source"],
    ["a link that is too long", { name: "l", content: "x".repeat(5000), mode: 0o120777 }, "whose target is too long"],
    ["a device", { name: "d", content: "", mode: 0o020644 }, "is a device, a pipe"],
    ["more than it says", { name: "a", content: "x".repeat(100_000), claimed: 10 }, "is damaged or not complete"],
  ])("refuses %s in a zip, and touches nothing outside", async (_what, entry, message) => {
    const { unpacked, outside } = await scratch();
    await expect(unpacked(zipOf([entry]))).rejects.toThrow(message);
    expect(await outside()).toEqual(["victim", "untouched"]);
  });

  test("never touches anything outside, whatever an archive holds", slow, async () => {
    const name = fc.constantFrom("a", "b", "a/b", "b/a", "a/b/c", "../victim", "./a", "a/../b", "/x", "l", "l/victim");
    const part = fc.record({
      name,
      type: fc.constantFrom("0", "1", "2", "2", "5"),
      link: fc.constantFrom("a", "b", "..", "../..", "a/../..", "l", "l/..", "../../victim", "/etc"),
      content: fc.constantFrom("", "x"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
        const base = await mkdtemp(join(tmpdir(), "elafros-unpack-"));
        try {
          await mkdir(join(base, "a/workspace"), { recursive: true });
          await writeFile(join(base, "victim"), "untouched");
          await writeFile(
            join(base, "archive"),
            tarOf(parts.map((one) => (one.type === "0" ? one : { ...one, content: "" }))),
          );
          const directory = join(base, "a/workspace");
          const done = await unpack(join(base, "archive"), {
            directory,
            shown: "x",
            budget: createBudget(limits),
          }).then(
            () => true,
            () => false,
          );
          expect(await readdir(base)).toEqual(["a", "archive", "victim"]);
          expect(await readdir(join(base, "a"))).toEqual(["workspace"]);
          expect(await readFile(join(base, "victim"), "utf8")).toBe("untouched");
          expect((await lstat(join(base, "victim"))).nlink).toBe(1);
          if (!done) return;
          // What is there can't be left by links either.
          for await (const place of pathsBelow(directory)) {
            const real = await realpathOf(place);
            if (real !== undefined) expect(`${real}/`).toContain(`${await realpathOf(directory)}/`);
          }
        } finally {
          await rm(base, { recursive: true });
        }
      }),
      { numRuns: 100 },
    );
  });

  test("stops at the limit of bytes, before the first one where the archive says how many come", async () => {
    const { workspace, unpacked } = await scratch();
    const noise = randomBytes(300_000);
    const parts = [
      { name: "a", content: noise },
      { name: "b", content: noise },
    ];
    const message =
      'Archive "x" unpacks to more than 488.3 KiB, the limit of a source: leave out what the build doesn\'t need';
    await expect(unpacked(tarOf(parts), { bytes: 500_000 })).rejects.toThrow(message);
    expect((await readdir(workspace)).sort()).toEqual(["a"]);
    await rm(join(workspace, "a"));
    await expect(unpacked(zipOf(parts), { bytes: 500_000 })).rejects.toThrow(message);
    await rm(join(workspace, "a"));
    await unpacked(tarOf(parts), { bytes: 600_000 });
    expect(
      createHash("sha256")
        .update(await readFile(join(workspace, "b")))
        .digest("hex"),
    ).toBe(createHash("sha256").update(noise).digest("hex"));
  });
});
