/** The file with the last table: a gateway starts from it when control is away. Certificates are kept in the same way. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { emptyTable, type RouteTable } from "../routing/table.ts";
import { checkTable } from "./check-table.ts";

/** Reads the table; the empty one if there is no file. Throws an Error if the file holds no table. Only for the start: it blocks. */
export function readTableFile(path: string): RouteTable {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return emptyTable;
    throw error;
  }
  return checkTable(JSON.parse(text));
}

/**
 * Replaces the file as a whole: whoever is killed, there is the old table or the new one. Not synced to the disk, as confirming a table waits for this:
 * where the machine itself ended, no instance of the table is left, and control gives a new one.
 */
export async function writeTableFile(path: string, json: string): Promise<void> {
  const beside = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    await writeFile(beside, json, { flag: "wx", mode: 0o600 });
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

/** Removes what gateways that were killed while they wrote have left beside the file; one that runs may be writing just now. */
export async function removeLeftovers(path: string): Promise<void> {
  const start = `${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    const pid = name.startsWith(start) ? Number(name.slice(start.length).split(".")[0]) : Number.NaN;
    if (Number.isSafeInteger(pid) && pid > 0 && !isRunning(pid)) await rm(join(dirname(path), name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
