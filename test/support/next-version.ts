/** Another version of Elafros beside this checkout, as if it had been installed: the same files, but for what a test changes. */
import { chmod, cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

export interface NextVersion {
  /** Its `elafros`. */
  elafros: string;
  remove(): Promise<void>;
}

/**
 * Makes one.
 * @param change by file: a text that stands in it, and what stands there in this version
 */
export async function makeVersion(
  version: string,
  change: Record<string, [was: string, is: string]> = {},
): Promise<NextVersion> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-version-"));
  // The gateway's account reads it.
  await chmod(dir, 0o755);
  for (const part of ["src", "bin", "package.json"]) await cp(join(root, part), join(dir, part), { recursive: true });
  await symlink(join(root, "node_modules"), join(dir, "node_modules"));
  const about = JSON.parse(await readFile(join(dir, "package.json"), "utf8")) as object;
  await writeFile(join(dir, "package.json"), JSON.stringify({ ...about, version }));
  for (const [file, [was, is]] of Object.entries(change)) {
    const text = await readFile(join(dir, file), "utf8");
    if (!text.includes(was)) throw new Error(`${file} does not have ${JSON.stringify(was)}`);
    await writeFile(join(dir, file), text.replace(was, is));
  }
  return { elafros: join(dir, "bin/elafros"), remove: () => rm(dir, { recursive: true, force: true }) };
}
