import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readMemory, remember, requireService } from "./memory.ts";

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "elafros-memory-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

describe("remember", () => {
  it("remember() keeps an image or a source for each service, never both", async () => {
    const path = await directory();
    await remember(path, { service: "a", image: "i:1" });
    await remember(path, { service: "b", source: { source: ".", function: true } });
    expect(await readMemory(path)).toEqual({
      service: "b",
      images: { a: "i:1" },
      sources: { b: { source: ".", function: true } },
    });
    await remember(path, { service: "a", source: { source: "app", template: "x" } });
    await remember(path, { service: "b", image: "i:2" });
    expect(await readMemory(path)).toEqual({
      service: "b",
      images: { b: "i:2" },
      sources: { a: { source: "app", template: "x" } },
    });
    await remember(path, { service: "a" });
    expect(await readMemory(path)).toMatchObject({ service: "a", images: { b: "i:2" } });
  });

  it("readMemory() takes a file that isn't ours for what it is", async () => {
    const path = await directory();
    const file = join(path, ".elafros.json");
    await writeFile(file, "{ broken");
    await expect(readMemory(path)).rejects.toThrow(/Cannot read ".*": mend or remove it/);
    await writeFile(file, '{"service": 1, "images": "x", "sources": []}');
    expect(await readMemory(path)).not.toHaveProperty("service");
    await writeFile(file, "null");
    expect(await readMemory(path)).toEqual({});
  });

  it("requireService() takes the service given, else the one remembered", async () => {
    const path = await directory();
    await expect(requireService(path, undefined)).rejects.toThrow("name it with --service");
    await remember(path, { service: "a" });
    expect(await requireService(path, undefined)).toBe("a");
    expect(await requireService(path, "b")).toBe("b");
    expect(await readFile(join(path, ".elafros.json"), "utf8")).toBe('{\n  "service": "a"\n}\n');
  });
});
