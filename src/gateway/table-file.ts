/**
 * The file with the last table: a gateway starts from it when control is away. Certificates are kept in the same way. The file holds a whole table; what
 * changed since is in a second one beside it, a change a line, so that keeping a change costs what the change has and not what the table has. Where
 * the second has grown as large as the first, both are made anew.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Log } from "../lib/log.ts";
import type { TableChange } from "../routing/link.ts";
import { emptyTable, type RouteTable, type TableMaps, tableOf } from "../routing/table.ts";
import { checkChange, checkTable } from "./check-table.ts";
import { NewestTable } from "./newest-table.ts";

/** Changes up to here aren't worth a new whole table, however small it is. */
const fewBytes = 64 * 1024;

/** Reads the table; the empty one if there is no file. Throws an Error if the file holds no table. Only for the start: it blocks. */
export function readTableFile(path: string): RouteTable {
  const text = readIfThere(path);
  if (text === undefined) return emptyTable;
  const newest = new NewestTable();
  newest.replace(checkTable(JSON.parse(text)));
  // What comes after the last end of a line was not written to its end, and so not confirmed to anybody.
  for (const line of readIfThere(changesFile(path))?.split("\n").slice(0, -1) ?? []) {
    const change = checkChange(JSON.parse(line));
    // The changes are of the table before this one, if a gateway was killed between writing the two files.
    if (change.version <= newest.version) continue;
    if (change.from !== newest.version) break;
    newest.change(change);
  }
  return tableOf(newest);
}

/** Keeps the table of one gateway. Another one may keep its own at the same path: the last that wrote a whole one wins. */
export class TableFile {
  readonly #path: string;
  readonly #log: Log;
  #last = Promise.resolve();
  #changes: { file: FileHandle; inode: number } | undefined;
  /** Characters of the last whole table, and of the changes since; undefined where the next must be whole. */
  #size: { whole: number; changes: number } | undefined;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  /** Resolves when the table is kept, or can't be. `change`: since the last call; undefined with the first. */
  save(change: TableChange | undefined, table: TableMaps): Promise<void> {
    const line = `${JSON.stringify(change)}\n`;
    const size = this.#size;
    // Reading takes a change to an earlier version for one that the whole table has already.
    const isEarlier = change !== undefined && change.version < change.from;
    const isLong = size !== undefined && size.changes + line.length > Math.max(size.whole, fewBytes);
    if (change === undefined || size === undefined || isEarlier || isLong) {
      const json = JSON.stringify(tableOf(table));
      this.#size = { whole: json.length, changes: 0 };
      return this.#then(() => this.#replace(json));
    }
    size.changes += line.length;
    return this.#then(() => this.#append(line));
  }

  /** Lets go of the files when all that was to be kept is, or can't be; a later table begins anew. */
  close(): Promise<void> {
    this.#size = undefined;
    return this.#then(() => this.#letGo());
  }

  #then(write: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(write).catch((error: unknown) => {
      this.#size = undefined;
      this.#log.error({ error, path: this.#path }, "Table not written");
    });
    return this.#last;
  }

  async #replace(json: string): Promise<void> {
    await this.#letGo();
    await writeTableFile(this.#path, json);
    const beside = besideName(this.#path);
    const file = await open(beside, "wx", 0o600);
    try {
      const { ino } = await file.stat();
      await rename(beside, changesFile(this.#path));
      this.#changes = { file, inode: ino };
    } catch (error) {
      await file.close();
      await rm(beside, { force: true });
      throw error;
    }
  }

  async #letGo(): Promise<void> {
    const changes = this.#changes;
    this.#changes = undefined;
    await changes?.file.close();
  }

  async #append(line: string): Promise<void> {
    if (this.#changes === undefined) throw new Error("Cannot add a change to a table that wasn't kept");
    await this.#changes.file.appendFile(line);
    // Another gateway has put its files in place of these: with the next change they are put back.
    if ((await stat(changesFile(this.#path))).ino !== this.#changes.inode) this.#size = undefined;
  }
}

/**
 * Replaces the file as a whole: whoever is killed, there is the old table or the new one. Not synced to the disk, as confirming a table waits for this:
 * where the machine itself ended, no instance of the table is left, and control gives a new one.
 */
export async function writeTableFile(path: string, json: string): Promise<void> {
  const beside = besideName(path);
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

/** As `removeLeftovers` knows it. */
function besideName(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
}

function changesFile(path: string): string {
  return `${path}.changes`;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
