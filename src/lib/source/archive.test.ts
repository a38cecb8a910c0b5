import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";

import { zipOf } from "../../../test/support/archives.ts";
import { entryPath } from "./archive-entry.ts";
import { archiveView } from "./archive-view.ts";
import { readArchive } from "./archive.ts";
import { SourceFault } from "./errors.ts";
import { packDirectory } from "./pack.ts";

const run = promisify(execFile);

async function scratch(): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), "elafros-archive-"));
  onTestFinished(() => rm(base, { recursive: true }));
  return base;
}

async function entriesOf(file: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  await readArchive(file, "archive", async ({ name, type, link, mode }, content) => {
    let text = "";
    for await (const chunk of content) text += Buffer.from(chunk).toString();
    found[entryPath(name, "archive")] =
      type === "file" ? `${(mode & 0o111) === 0 ? "" : "x:"}${text}` : `${type} ${link ?? ""}`.trim();
  });
  return found;
}

/** A directory with something of everything, and what its archives hold. */
async function sample(): Promise<{ base: string; root: string; entries: Record<string, string> }> {
  const base = await scratch();
  const root = join(base, "source");
  await mkdir(join(root, "lib"), { recursive: true });
  await writeFile(join(root, "package.json"), "{}");
  await writeFile(join(root, "lib/é.sh"), "#!", { mode: 0o755 });
  await writeFile(join(root, "lib/empty"), "");
  await symlink("lib/é.sh", join(root, "link"));
  const entries = { "package.json": "{}", "lib/é.sh": "x:#!", "lib/empty": "", link: "symlink lib/é.sh" };
  return { base, root, entries };
}

describe("readArchive()", () => {
  test("waits for its reader as often as there is a piece, and leaves nothing that waits", async () => {
    const base = await scratch();
    await writeFile(join(base, "big"), Buffer.alloc(4 << 20, "x"));
    await run("tar", ["cf", join(base, "a"), "-C", base, "big"]);
    const warnings: string[] = [];
    const warned = (warning: Error) => void warnings.push(warning.name);
    process.on("warning", warned);
    onTestFinished(() => void process.off("warning", warned));
    await entriesOf(join(base, "a"));
    await new Promise((resolve) => setImmediate(resolve)); // warnings come a tick later
    expect(warnings).toEqual([]);
  });

  test.each([["cf"], ["czf"], ["cf", "--format=posix"], ["cf", "--format=gnu"]])(
    "reads what tar %s makes",
    async (...flags) => {
      const { base, root, entries } = await sample();
      const file = join(base, "a");
      const [mode = "", ...rest] = flags;
      await run("tar", [mode, file, ...rest, "-C", root, "."]);
      expect(await entriesOf(file)).toEqual({ "": "directory", lib: "directory", ...entries });
    },
  );

  test("reads what packDirectory() makes", async () => {
    const { base, root, entries } = await sample();
    await packDirectory(root, { file: join(base, "a"), maxBytes: 1 << 20 });
    expect(await entriesOf(join(base, "a"))).toEqual(entries);
  });

  test("reads zip, with modes and links as Unix writes them and with backslashes as some on Windows do", async () => {
    const base = await scratch();
    const file = join(base, "a.zip");
    await writeFile(
      file,
      zipOf([
        { name: "lib/", content: "" },
        { name: "lib/é.sh", content: "#!".repeat(1000), mode: 0o100755 },
        { name: "link", content: "lib/é.sh", mode: 0o120777 },
        { name: "from\\windows", content: "text", dos: true },
        { name: "stored", content: "as it is", stored: true },
        { name: "pipe", content: "", mode: 0o010644 },
      ]),
    );
    expect(await entriesOf(file)).toEqual({
      lib: "directory",
      "lib/é.sh": `x:${"#!".repeat(1000)}`,
      link: "symlink lib/é.sh",
      "from/windows": "text",
      stored: "as it is",
      pipe: "other",
    });
    await writeFile(file, zipOf([]));
    expect(await entriesOf(file)).toEqual({});
  });

  test.each([
    ["nothing", "", "it is empty"],
    ["a page", "<!doctype html><p>Sign in</p>", "it is an HTML page"],
    ["xz", Buffer.from("fd377a585a000004", "hex"), "it is packed with xz"],
    ["a text", "hello", "it is none of them"],
  ])("refuses %s, saying what it is", async (_what, content, expected) => {
    const file = join(await scratch(), "a");
    await writeFile(file, content);
    await expect(entriesOf(file)).rejects.toThrow(
      `Cannot read archive: a zip, tar or tar.gz is needed, and ${expected}`,
    );
  });

  test("refuses gzip that holds no tar", async () => {
    const file = join(await scratch(), "a");
    await writeFile(file, gzipSync("x".repeat(2000)));
    await expect(entriesOf(file)).rejects.toThrow("Cannot read archive: it is damaged or not complete");
  });

  test.each([["tar"], ["tar.gz"], ["zip"]])(
    "tells a %s that ends anywhere too early",
    { timeout: 60_000 },
    async (format) => {
      const { base, root } = await sample();
      const file = join(base, "a");
      // Content that can't be packed, so that most of the bytes are content.
      const noise = createHash("shake256", { outputLength: 30_000 }).update("x").digest();
      await writeFile(join(root, "noise"), noise);
      if (format === "zip")
        await writeFile(
          file,
          zipOf([
            { name: "noise", content: noise },
            { name: "b", content: "b" },
          ]),
        );
      else await run("tar", [format === "tar" ? "cf" : "czf", file, "-C", root, "lib", "noise"]);
      const whole = await readFile(file);
      const content = format === "tar" ? 30_000 : whole.length;
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 2000, max: content - 600 }), async (length) => {
          await writeFile(file, whole.subarray(0, length));
          await expect(entriesOf(file)).rejects.toThrow("Cannot read archive: it is damaged or not complete");
        }),
        { numRuns: 30 },
      );
    },
  );

  test("tells a zip whose content isn't what its checksum says, and one with a password", async () => {
    const file = join(await scratch(), "a");
    const zip = zipOf([{ name: "a", content: "content", stored: true }]);
    zip[zip.indexOf("content")] = 0x43;
    await writeFile(file, zip);
    await expect(entriesOf(file)).rejects.toThrow('damaged or not complete (wrong checksum of "a")');
    await writeFile(file, zipOf([{ name: "a", content: "secret", encrypted: true }]));
    await expect(entriesOf(file)).rejects.toThrow('Entry "a" of archive is encrypted: pack it without a password');
  });

  test("ends with entries or a sentence whatever bytes there are", { timeout: 60_000 }, async () => {
    const { base, root } = await sample();
    const file = join(base, "a");
    await run("tar", ["cf", file, "-C", root, "."]);
    const tar = await readFile(file);
    const zip = zipOf([
      { name: "a/", content: "" },
      { name: "a/b", content: "text".repeat(50) },
      { name: "l", content: "a/b", mode: 0o120777 },
    ]);
    const archive = fc.constantFrom(tar.subarray(0, 4096), tar, zip, gzipSync(tar));
    const change = fc.record({ at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }) });
    await fc.assert(
      fc.asyncProperty(archive, fc.array(change, { minLength: 1, maxLength: 4 }), async (whole, changes) => {
        const bytes = Buffer.from(whole);
        for (const { at, bytes: put } of changes) bytes.set(put, Math.max(0, (at % bytes.length) - put.length));
        await writeFile(file, bytes);
        const error: unknown = await entriesOf(file).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined) expect(error).toBeInstanceOf(SourceFault);
      }),
      { numRuns: 200 },
    );
  });

  test("throws what its reader throws, as it is", async () => {
    const { base, root } = await sample();
    await run("tar", ["czf", join(base, "a"), "-C", root, "."]);
    const error = new Error("disk full");
    await expect(readArchive(join(base, "a"), "archive", () => Promise.reject(error))).rejects.toBe(error);
  });
});

describe("entryPath()", () => {
  test.each([
    ["./a//b/./c/", "a/b/c"],
    ["./", ""],
    ["..a/b..", "..a/b.."],
  ])("reads %s as %s", (name, path) => {
    expect(entryPath(name, "archive")).toBe(path);
  });

  test.each(["/etc/passwd", "../a", "a/../../b", "a/.."])("refuses %s", (name) => {
    expect(() => entryPath(name, "archive")).toThrow(
      `Entry "${name}" of archive would be written outside of the source: pack it with relative paths, without ".."`,
    );
  });

  test.each([
    ["a NUL", "a\0b"],
    ["a name that is too long", "x".repeat(256)],
    ["a path that is too long", "x/".repeat(2100)],
  ])("refuses %s", (_what, name) => {
    expect(() => entryPath(name, "archive")).toThrow("has a name that no file can have: rename it");
  });
});

describe("archiveView()", () => {
  test("lists files without links and directories, and reads small and deep ones", async () => {
    const { base, root } = await sample();
    await mkdir(join(root, "a/b/c"), { recursive: true });
    await writeFile(join(root, "a/b/c/deep"), "deep");
    await run("tar", ["czf", join(base, "a"), "-C", root, "."]);
    const view = await archiveView(join(base, "a"));
    expect(view.files).toEqual(["a/b/c/deep", "lib/empty", "lib/é.sh", "package.json"]);
    expect(await view.read("package.json")).toBe("{}");
    expect(await view.read("a/b/c/deep")).toBe("deep");
    expect(await view.read("link")).toBeUndefined();
  });
});
