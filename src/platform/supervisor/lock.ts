import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Takes the data directory for this process, until it ends, however it ends: SQLite holds a POSIX file lock, which the kernel
 * releases with the process. (Node has no `flock`; a pid file alone would leave a gap between looking and writing.)
 * @returns false where another process has it
 */
export function lockDirectory(dataDir: string): boolean {
  const path = join(dataDir, "lock");
  // Nobody else may open it: who can read it can lock it too.
  closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    // SQLITE_BUSY
    if ((error as { errcode?: number }).errcode === 5) return false;
    throw error;
  }
  held.push(database);
  return true;
}

/** Gives the lock of this process back. */
export function unlockDirectory(): void {
  for (const database of held.splice(0)) database.close();
}

/** Keeps the lock from being garbage-collected. */
const held: DatabaseSync[] = [];
