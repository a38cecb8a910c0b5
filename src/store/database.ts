import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";
import type { CommitRequest, Row, WorkerOptions } from "./protocol.ts";

/** The version of the tables below. A file with a greater one was written by a newer Elafros and is refused. */
const schemaVersion = 1;

const pageSize = 4096;
/** UTF-16 code units of values in a part of what is read, the last object's rest apart. */
const partLength = 65_536;

const tables = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE versions (
    revision INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    value TEXT NOT NULL
  ) STRICT;
  INSERT INTO meta VALUES ('schema', ${schemaVersion}), ('revision', 0), ('forgotten', 0);
`;

/**
 * The file: each version of each object that is either the newest or within the kept history. Runs on the worker thread only,
 * where blocking hurts nobody.
 */
export class Database {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #drop: StatementSync;
  readonly #mark: StatementSync;
  readonly #read: StatementSync;

  /** Opens the file, making it where there is none. Throws an Error with a sentence where it can't be used. */
  constructor(options: WorkerOptions) {
    // It holds Secrets. SQLite gives its -wal and -shm files the mode of the main one.
    closeSync(openSync(options.path, "a", 0o600));
    this.#db = new DatabaseSync(options.path, { timeout: 5000 });
    this.#db.exec(`PRAGMA page_size=${pageSize}; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;`);
    // After a burst the log file shrinks back to this.
    this.#db.exec("PRAGMA journal_size_limit=8388608");
    if (options.maxBytes !== undefined) {
      this.#db.exec(`PRAGMA max_page_count=${Math.ceil(options.maxBytes / pageSize)}`);
    }
    this.#prepareTables(options.path);
    this.#insert = this.#db.prepare("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)");
    this.#drop = this.#db.prepare("DELETE FROM versions WHERE revision = ?");
    this.#mark = this.#db.prepare("UPDATE meta SET value = ? WHERE name = ?");
    this.#read = this.#db.prepare("SELECT value FROM meta WHERE name = ?");
  }

  #prepareTables(path: string): void {
    if (!checkSchema(this.#db, path)) this.#db.exec(`BEGIN IMMEDIATE; ${tables} COMMIT;`);
  }

  /** A number of the `meta` table: `revision` or `forgotten`. */
  number(name: "revision" | "forgotten"): number {
    return Number(this.#read.get(name)?.["value"]);
  }

  /** All versions, oldest first, in parts that are taken into memory within a millisecond or two. */
  *versions(): Generator<Row[]> {
    let rows: Row[] = [];
    let length = 0;
    for (const row of this.#db.prepare("SELECT * FROM versions ORDER BY revision").iterate()) {
      rows.push(row as unknown as Row);
      length += (row as unknown as Row).value.length;
      if (length >= partLength) {
        yield rows;
        rows = [];
        length = 0;
      }
    }
    yield rows;
  }

  /** One transaction, synced when this returns. Throws where nothing of it was written. */
  commit(request: CommitRequest): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const row of request.rows) {
        this.#insert.run(row.revision, row.collection, row.key, row.created, row.deleted, row.value);
      }
      for (const revision of request.drop) this.#drop.run(revision);
      this.#mark.run(request.revision, "revision");
      this.#mark.run(request.forgotten, "forgotten");
      this.#db.exec("COMMIT");
    } catch (error) {
      // SQLite has rolled back by itself after some errors; a second rollback then fails and says nothing new.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }
}

/**
 * Looks at the schema's version. False where there are no tables yet.
 * @throws Error with a sentence where a newer program wrote them
 */
export function checkSchema(db: DatabaseSync, path: string): boolean {
  const there = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get();
  if (there === undefined) return false;
  const found = Number(db.prepare("SELECT value FROM meta WHERE name = 'schema'").get()?.["value"]);
  if (found <= schemaVersion) return true;
  throw new Error(
    `Cannot open the store "${path}": it has schema version ${found}, and this Elafros knows versions up to ${schemaVersion}. ` +
      "Run the newer Elafros that wrote it, or use another data directory",
  );
}
