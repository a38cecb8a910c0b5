import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Writes a generated file; with `--check` only compares, and exits with 1 where the file isn't what it should be.
 * @param script how the file is made, for the message
 */
export async function writeOrCheck(path: URL, text: string, script: string): Promise<void> {
  const name = path.pathname.split("/").slice(-3).join("/");
  if (!process.argv.includes("--check")) {
    await mkdir(dirname(path.pathname), { recursive: true });
    await writeFile(path, text);
    console.log(`Wrote ${name}`);
    return;
  }
  const present = await readFile(path, "utf8").catch(() => "");
  if (present === text) return;
  console.error(`${name} doesn't say what the code says: run 'node ${script}' and commit it`);
  process.exitCode = 1;
}
