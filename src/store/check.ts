import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { checkSchema } from "./database.ts";

/**
 * Whether this program can use a store, which another process may have open meanwhile. A store that isn't there yet can be used.
 * @throws Error that says in a sentence why it can't: it was written by a newer program, or is damaged
 */
export function checkStore(path: string): void {
  if (!existsSync(path)) return;
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    checkSchema(db, path);
  } finally {
    db.close();
  }
}
