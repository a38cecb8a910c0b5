/**
 * Sends all of control's messages over one connection of a gateway, in order. The first table on it is whole, and to a gateway that takes no
 * changes every one is; else what follows are changes. A large table is written in parts, so that the loop is never held for all of it, and is all the
 * same one line: what is said meanwhile waits, and tables that come meanwhile, or while the gateway is slow to read, become one.
 */
import type { Socket } from "node:net";
import { addChanges, changeOf, type Changes, noChanges } from "../../routing/changes.ts";
import type { ControlMessage } from "../../routing/link.ts";
import type { TableMaps } from "../../routing/table.ts";

/** Entries of a table that are written without a pause: about half a millisecond. */
const entriesAtOnce = 250;

export class TableSender {
  readonly #socket: Socket;
  /** The gateway takes changes. */
  readonly #takesChanges: boolean;
  /** Said while a table is being written. */
  readonly #waiting: string[] = [];
  #writing = false;
  /** The version that was sent last; undefined before the first. */
  #sent: number | undefined;
  /** The newest table, where the gateway doesn't have it yet, and what changed in it since `#sent`. */
  #next: { table: TableMaps; changes: Changes } | undefined;

  constructor(socket: Socket, takesChanges: boolean) {
    this.#socket = socket;
    this.#takesChanges = takesChanges;
    socket.on("drain", () => this.#go());
  }

  /** Sends a message that isn't about tables. */
  say(message: ControlMessage): void {
    const line = `${JSON.stringify(message)}\n`;
    if (this.#writing) this.#waiting.push(line);
    else if (this.#socket.writable) this.#socket.write(line);
  }

  /** Sends the newest table. Its maps may change later; `changes`: since the last call, undefined with the first one. */
  send(table: TableMaps, changes: Changes | undefined): void {
    this.#next ??= { table, changes: noChanges() };
    this.#next.table = table;
    if (changes !== undefined) addChanges(this.#next.changes, changes);
    this.#go();
  }

  #go(): void {
    if (this.#next === undefined || this.#writing || !this.#socket.writable || this.#socket.writableNeedDrain) return;
    const { table, changes } = this.#next;
    this.#next = undefined;
    const from = this.#sent;
    this.#sent = table.version;
    if (from === undefined || !this.#takesChanges) {
      this.#writing = true;
      this.#write(partsOf(table));
      return;
    }
    this.#socket.write(`${JSON.stringify(changeOf(from, table.version, changes))}\n`);
  }

  #write(parts: Iterator<string>): void {
    if (!this.#socket.writable) return;
    const part = parts.next();
    if (part.done !== true) {
      this.#socket.write(part.value);
      setImmediate(() => this.#write(parts));
      return;
    }
    this.#writing = false;
    for (const line of this.#waiting.splice(0)) this.#socket.write(line);
    this.#go();
  }
}

/** A table's message as it stands at the first call, in parts. */
function partsOf({ version, hosts, revisions }: TableMaps): Iterator<string> {
  const all = [hosts, revisions].map((entries) => [...entries] as [string, unknown][]);
  return write(version, all[0] ?? [], all[1] ?? []);
}

function* write(version: number, hosts: [string, unknown][], revisions: [string, unknown][]): Generator<string> {
  let text = `{"type":"table","table":{"version":${version},"hosts":{`;
  let entries = 0;
  for (const [members, end] of [
    [hosts, '},"revisions":{'],
    [revisions, "}}}\n"],
  ] as const) {
    for (const [i, [name, entry]] of members.entries()) {
      text += `${i === 0 ? "" : ","}${JSON.stringify(name)}:${JSON.stringify(entry)}`;
      entries += 1;
      if (entries % entriesAtOnce !== 0) continue;
      yield text;
      text = "";
    }
    text += end;
  }
  yield text;
}
