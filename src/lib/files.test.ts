import { mkdtemp, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readJson, writeFileAtomic } from "./files.ts";

const directory = () => mkdtemp(join(tmpdir(), "elafros-files-"));

describe("writeFileAtomic()", () => {
  test("replaces a file whole, with its mode, and leaves nothing beside it", async () => {
    const dir = await directory();
    const path = join(dir, "a");
    await writeFile(path, "old and longer");
    await writeFileAtomic(path, "new", 0o640);
    expect(await readFile(path, "utf8")).toBe("new");
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(dir)).toEqual(["a"]);
  });

  test("leaves nothing behind where the file can't be replaced", async () => {
    const dir = await directory();
    const path = join(dir, "a");
    await writeFileAtomic(join(dir, "b"), "");
    await expect(writeFileAtomic(join(path, "missing", "c"), "new")).rejects.toThrow("ENOENT");
    expect(await readdir(dir)).toEqual(["b"]);
  });

  test("keeps one writer's content whole where many write at once", async () => {
    const path = join(await directory(), "a");
    const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(50_000));
    await Promise.all(texts.map((text) => writeFileAtomic(path, text)));
    expect(texts).toContain(await readFile(path, "utf8"));
  });
});

describe("readJson()", () => {
  test("gives undefined for a missing file and names a broken one", async () => {
    const path = join(await directory(), "a.json");
    expect(await readJson(path)).toBeUndefined();
    await writeFile(path, "{");
    await expect(readJson(path)).rejects.toThrow(`File "${path}" is not valid JSON`);
    await writeFile(path, '{"a":1}');
    expect(await readJson(path)).toEqual({ a: 1 });
  });
});
