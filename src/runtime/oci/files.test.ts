import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { insideParts, pathsBelow, readEnd, safeBelow, writeTree } from "./files.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-files-"));
});
afterEach(() => rm(dir, { recursive: true }));

test("readEnd() gives at most the last bytes, and nothing of links, directories and what isn't there", async () => {
  await writeFile(join(dir, "a"), "0123456789");
  await symlink(join(dir, "a"), join(dir, "link"));
  expect((await readEnd(join(dir, "a"), 4)).toString()).toBe("6789");
  expect((await readEnd(join(dir, "a"), 400)).toString()).toBe("0123456789");
  for (const name of ["link", "none", "."]) expect((await readEnd(join(dir, name), 4)).toString()).toBe("");
});

test("pathsBelow() names links and never follows them", async () => {
  await mkdir(join(dir, "outside/deep"), { recursive: true });
  await mkdir(join(dir, "root/a"), { recursive: true });
  await writeFile(join(dir, "root/a/file"), "");
  await symlink(join(dir, "outside"), join(dir, "root/link"));
  await symlink("..", join(dir, "root/a/up"));
  const found = await Array.fromAsync(pathsBelow(join(dir, "root")));
  expect(found.map((path) => path.slice(dir.length)).sort()).toEqual([
    "/root/a",
    "/root/a/file",
    "/root/a/up",
    "/root/link",
  ]);
  expect(await Array.fromAsync(pathsBelow(join(dir, "none")))).toEqual([]);
});

test.each(["/a", "../a", "a/../../b", "a\0b"])("insideParts() refuses %j", (path) => {
  expect(() => insideParts(path, "thing")).toThrow('Cannot use thing "');
});

test("insideParts() gives the parts of what stays inside", () => {
  expect(insideParts("./a//b/", "thing")).toEqual(["a", "b"]);
});

test("safeBelow() makes directories and refuses links on the way", async () => {
  expect(await safeBelow(dir, "a/b", "subPath")).toBe(join(dir, "a/b"));
  expect((await stat(join(dir, "a/b"))).isDirectory()).toBe(true);
  await symlink("/etc", join(dir, "a/l"));
  await expect(safeBelow(dir, "a/l/x", "subPath")).rejects.toThrow('"l" is a symbolic link');
});

test("writeTree() writes all with modes, whatever was left of the last try", async () => {
  const root = join(dir, "v");
  await mkdir(`${root}.tmp`);
  await writeFile(`${root}.tmp/old`, "");
  await writeTree(root, [
    { path: "a/b", data: Buffer.from("x"), mode: 0o440 },
    { path: "c", data: Buffer.from("y"), mode: 0o644 },
  ]);
  expect(await readFile(join(root, "a/b"), "utf8")).toBe("x");
  expect((await stat(join(root, "a/b"))).mode & 0o777).toBe(0o440);
  await expect(stat(join(root, "old"))).rejects.toThrow("ENOENT");
});

test("writeTree() leaves nothing where a path is bad", async () => {
  await expect(writeTree(join(dir, "v"), [{ path: "../x", data: Buffer.alloc(0), mode: 0o644 }])).rejects.toThrow(
    "../x",
  );
  await expect(stat(join(dir, "v"))).rejects.toThrow("ENOENT");
});
