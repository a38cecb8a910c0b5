import { mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { boundLogs } from "./bounded-logs.ts";

test("boundLogs() puts large logs aside once, and who writes them goes on", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-logs-"));
  try {
    const path = join(dir, "control.log");
    // As a process of the platform has it.
    const writer = await open(path, "a", 0o600);
    await writeFile(join(dir, "small.log"), "12345");
    await writeFile(join(dir, "no-log"), "12345678901");
    await writer.write("first 678901\n");
    await boundLogs(dir, 10);
    await writer.write("second\n");
    expect(await readFile(`${path}.1`, "utf8")).toBe("first 678901\n");
    expect(await readFile(path, "utf8")).toBe("second\n");
    expect((await stat(`${path}.1`)).mode & 0o777).toBe(0o600);
    await writer.write("third 8901\n");
    await boundLogs(dir, 10);
    expect(await readFile(`${path}.1`, "utf8")).toBe("second\nthird 8901\n");
    expect((await readdir(dir)).toSorted()).toEqual(["control.log", "control.log.1", "no-log", "small.log"]);
    // A link that somebody else left where the log was put aside isn't written through.
    await rm(`${path}.1`);
    await symlink(join(dir, "small.log"), `${path}.1`);
    await writer.write("fourth 901\n");
    await boundLogs(dir, 10);
    expect(await readFile(join(dir, "small.log"), "utf8")).toBe("12345");
    expect(await readFile(`${path}.1`, "utf8")).toBe("fourth 901\n");
    await writer.close();
  } finally {
    await rm(dir, { recursive: true });
  }
});
