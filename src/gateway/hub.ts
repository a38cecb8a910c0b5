/**
 * The gateway's first thread: takes tables from control, brings them to the serving threads one after the other, confirms a table when all threads
 * have it and it is kept, and tells control what has drained or hangs. No request passes through here.
 *
 * The first table is control's, too, as long as there is one: the gateway has said hello, so that control counts on it, and only then gets the table
 * that it begins to serve with. The one that was kept may name instances that are gone; it is used where control is away, or has just started: then
 * nobody gives up an instance.
 */
import type { Log } from "../lib/log.ts";
import type { CertificateUpdate } from "../routing/certificates.ts";
import type { ControlMessage, GatewayMessage, TableChange } from "../routing/link.ts";
import { addChanges, changeOf, type Changes, noChanges } from "../routing/changes.ts";
import type { RouteTable, TableMaps } from "../routing/table.ts";
import { Indices } from "./indices.ts";
import type { Counters } from "./memory.ts";
import type { FromThread, NumberedChanges, TableUpdate, ToThread } from "./messages.ts";
import { NewestTable } from "./newest-table.ts";

export interface HubOptions {
  id: string;
  threads: number;
  counters: Counters;
  log: Log;
  /** It begins with no table but control's, however long that takes. */
  needsControl: boolean;
  toThread(thread: number, message: ToThread): void;
  toControl(message: GatewayMessage): void;
  /** What changes in the table, also for the hub's own core; called before the threads have it. */
  change(version: number, changes: NumberedChanges): void;
  /** All threads have the table that was put in force last; before what has left it is let go of. */
  settling?(): void;
  /** Revisions without instances for which requests wait. */
  unserved(): string[];
  /**
   * Keeps the table for the next start: as a whole, or what changed since the last call, undefined with the first one. The table itself changes later.
   * Resolves when it is kept, or can't be.
   */
  save(change: TableChange | undefined, table: TableMaps): Promise<void>;
  /** All threads are ready to serve. */
  loaded(): void;
  /** All threads accept connections. */
  serving(): void;
  /** Draining is over: no thread has a connection left. */
  empty(): void;
}

export class Hub {
  readonly #options: HubOptions;
  readonly #indices: Indices;
  readonly #hung = new Map<string, { revision: string; instance: string }>();
  /** On its way to the threads and the file, and how many of them don't have it yet. */
  #pending: { version: number; missing: number } | undefined;
  /** What control has said last, and what of it came in the meantime. */
  readonly #newest = new NewestTable();
  #next: Changes | undefined;
  /** The version that was put in force last. */
  #present: number | undefined;
  /** What was put in force before the threads were told to serve. */
  readonly #unserved = noChanges();
  readonly #heard = Promise.withResolvers<void>();
  #phase: "waiting" | "starting" | "serving" = "waiting";
  /** What control is told: no thread serves, or will, an older one. */
  #version = 0;
  #unloaded: number;
  #silent = 0;
  #full: number;
  #draining = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#indices = new Indices(options.counters);
    this.#unloaded = options.threads;
    this.#silent = options.threads;
    this.#full = options.threads;
  }

  /** Of the table that was put in force last. */
  get version(): number {
    return this.#present ?? 0;
  }

  /** Resolves when control has said its table, or it is known that there is none to wait for. */
  heard(): Promise<void> {
    return this.#heard.promise;
  }

  /** Control is away, or has no table yet. */
  away(): void {
    if (!this.#options.needsControl) this.#heard.resolve();
  }

  /** Puts a table in force: control's, else the one that `kept` gives. From now on, each that control says. */
  begin(kept: () => RouteTable): void {
    this.#phase = "starting";
    if (this.#next === undefined) {
      const changes = this.#newest.replace(kept());
      this.#version = this.#newest.version;
      this.#putInForce(changes);
      return;
    }
    this.#bring();
  }

  /** Has the threads accept connections. */
  serve(certificates: CertificateUpdate | undefined): void {
    if (this.#present === undefined) throw new Error("Cannot serve before a table is in force");
    this.#phase = "serving";
    const table = updateOf(this.#present, this.#indices.numbered(this.#unserved));
    for (const names of Object.values(this.#unserved)) names.clear();
    this.#tellAll({ type: "serve", table, certificates });
  }

  hello(): GatewayMessage & { type: "hello" } {
    const { id } = this.#options;
    return {
      type: "hello",
      gateway: id,
      pid: process.pid,
      serving: this.#version,
      draining: [...this.#indices.leaving],
      changes: true,
    };
  }

  /** A new connection to control: it may not know what hangs, and who waits. */
  connected(): void {
    for (const revision of this.#options.unserved()) this.#options.toControl({ type: "demand", revision });
    for (const { revision, instance } of this.#hung.values())
      this.#options.toControl({ type: "hung", revision, instance });
  }

  /** Throws an Error where control says a change of what this gateway doesn't have: the connection must end, since hello brings the whole. */
  fromControl(message: Exclude<ControlMessage, { type: "certificates" | "shares" | "alive" }>): void {
    if (message.type === "shed") {
      this.#tellAll({ type: "shed", maxAgeMs: message.maxConnectionAgeMs });
      return;
    }
    if (message.type === "later") {
      this.away();
      return;
    }
    this.#heard.resolve();
    const changes = message.type === "table" ? this.#newest.replace(message.table) : this.#newest.change(message);
    if (this.#next === undefined) this.#next = changes;
    else addChanges(this.#next, changes);
    this.#bring();
  }

  fromThread(message: FromThread): void {
    switch (message.type) {
      case "loaded":
        this.#unloaded -= 1;
        if (this.#unloaded === 0) this.#options.loaded();
        break;
      case "serving":
        this.#silent -= 1;
        if (this.#silent === 0) this.#options.serving();
        break;
      case "swapped":
        this.#hasIt(message.version);
        break;
      case "idle":
        if (this.#indices.forget(message.instance)) {
          this.#options.toControl({ type: "drained", instance: message.instance });
          // Where changes had to wait for a number that is free now.
          this.#bring();
        }
        break;
      case "hung":
        this.#hung.set(message.instance, message);
        this.#options.log.warn(
          { revision: message.revision, instance: message.instance },
          "Instance does not end its work",
        );
        this.#options.toControl({ type: "hung", revision: message.revision, instance: message.instance });
        break;
      case "demand":
        this.#options.toControl(message);
        break;
      case "load":
      case "spans":
      case "certified":
      case "look":
      case "log":
      case "asking":
      case "want":
      case "returned":
      case "short":
        // About load: reports.ts. About spans and the log: run.ts. About certificates: certificate-hub.ts. About slots: handover.ts, slots.ts.
        break;
      case "empty":
        this.#full -= 1;
        if (this.#full === 0) this.#options.empty();
        break;
    }
  }

  /** Stops accepting; `empty` is called when all requests are done. Tables still arrive, for the requests that are left. */
  drain(): void {
    this.#draining = true;
    this.#tellAll({ type: "drain" });
  }

  #bring(): void {
    if (this.#phase === "waiting" || this.#pending !== undefined || this.#next === undefined) return;
    const changes = this.#next;
    const from = this.#present;
    const numbered = this.#putInForce(changes);
    if (numbered === undefined) return;
    this.#next = undefined;
    const { version } = this.#newest;
    const serving = this.#phase === "serving";
    this.#pending = { version, missing: 1 + (serving ? this.#options.threads : 0) };
    if (serving) this.#tellAll({ type: "table", table: updateOf(version, numbered) });
    // What a gateway that is about to go was told last need not be the newest.
    const kept = this.#draining
      ? Promise.resolve()
      : this.#options.save(from === undefined ? undefined : changeOf(from, version, changes), this.#newest);
    void kept.then(() => this.#hasIt(version));
  }

  /** The changes up to the newest table. Undefined, and nothing happens, where they can't be numbered: they wait, and later ones join them. */
  #putInForce(changes: Changes): NumberedChanges | undefined {
    const { version } = this.#newest;
    let numbered: NumberedChanges;
    try {
      numbered = this.#indices.change(changes);
    } catch (error) {
      this.#options.log.error({ error, version }, "Table refused");
      return undefined;
    }
    for (const id of this.#hung.keys()) if (!this.#newest.has(id)) this.#hung.delete(id);
    this.#present = version;
    if (this.#phase !== "serving") addChanges(this.#unserved, changes);
    this.#options.change(version, numbered);
    return numbered;
  }

  /** A thread, or the file. */
  #hasIt(version: number): void {
    if (this.#pending?.version !== version) return;
    this.#pending.missing -= 1;
    if (this.#pending.missing > 0) return;
    this.#pending = undefined;
    this.#version = version;
    this.#options.settling?.();
    const idle = this.#indices.settled();
    this.#options.toControl({ type: "ack", version, draining: [...this.#indices.leaving] });
    for (const instance of idle) this.#options.toControl({ type: "drained", instance });
    this.#bring();
  }

  #tellAll(message: ToThread): void {
    for (let thread = 0; thread < this.#options.threads; thread++) this.#options.toThread(thread, message);
  }
}

function updateOf(version: number, changes: NumberedChanges): TableUpdate {
  return { version, json: JSON.stringify(changes) };
}
