/**
 * The gateway's first thread: takes tables from file and control, brings them to the serving threads one after the other, confirms a table
 * when all threads have it, and tells control what has drained or hangs. No request passes through here.
 */
import type { Log } from "../lib/log.ts";
import type { ControlMessage, GatewayMessage } from "../routing/link.ts";
import type { RouteTable } from "../routing/table.ts";
import { Indices } from "./indices.ts";
import type { Counters } from "./memory.ts";
import type { FromThread, TableUpdate, ToThread } from "./messages.ts";

export interface HubOptions {
  id: string;
  threads: number;
  counters: Counters;
  log: Log;
  toThread(thread: number, message: ToThread): void;
  toControl(message: GatewayMessage): void;
  /** A new table, also for the hub's own core; called before the threads have it. */
  swap(update: TableUpdate): void;
  /** Revisions without instances for which requests wait. */
  unserved(): string[];
  /** Keeps the table's text for the next start. */
  save(json: string): void;
  /** All threads accept connections. */
  serving(): void;
  /** Draining is over: no thread has a connection left. */
  empty(): void;
}

interface Waiting {
  table: RouteTable;
  json: string;
}

export class Hub {
  readonly #options: HubOptions;
  readonly #indices: Indices;
  readonly #hung = new Map<string, { revision: string; instance: string }>();
  /** On its way to the threads, and how many don't have it yet. */
  #pending: { version: number; missing: number } | undefined;
  /** The newest table that came in the meantime. */
  #next: Waiting | undefined;
  #version = 0;
  #silent = 0;
  #full: number;
  #draining = false;
  /** By id of the instance, what the present table has. */
  #instances = new Set<string>();

  constructor(options: HubOptions) {
    this.#options = options;
    this.#indices = new Indices(options.counters);
    this.#silent = options.threads;
    this.#full = options.threads;
  }

  /** The version that all threads serve. */
  get version(): number {
    return this.#version;
  }

  /** The table that the threads start with. */
  begin(table: RouteTable): TableUpdate {
    this.#version = table.version;
    this.#remember(table);
    const update = this.#indices.update(table, JSON.stringify(table));
    this.#options.swap(update);
    return update;
  }

  hello(): GatewayMessage & { type: "hello" } {
    const { id } = this.#options;
    return {
      type: "hello",
      gateway: id,
      pid: process.pid,
      serving: this.#version,
      draining: [...this.#indices.leaving],
    };
  }

  /** A new connection to control: it may not know what hangs, and who waits. */
  connected(): void {
    for (const revision of this.#options.unserved()) this.#options.toControl({ type: "demand", revision });
    for (const { revision, instance } of this.#hung.values())
      this.#options.toControl({ type: "hung", revision, instance });
  }

  fromControl(message: Exclude<ControlMessage, { type: "certificates" }>, json: string): void {
    if (message.type === "shed") {
      this.#tellAll({ type: "shed", maxAgeMs: message.maxConnectionAgeMs });
      return;
    }
    this.#next = { table: message.table, json };
    this.#bring();
  }

  fromThread(message: FromThread): void {
    switch (message.type) {
      case "serving":
        this.#silent -= 1;
        if (this.#silent === 0) this.#options.serving();
        break;
      case "swapped":
        this.#swapped(message.version);
        break;
      case "idle":
        if (this.#indices.forget(message.instance)) {
          this.#options.toControl({ type: "drained", instance: message.instance });
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
      case "asking":
      case "want":
      case "returned":
        // About load: reports.ts. About spans: main.ts. About certificates: certificate-hub.ts. About slots: handover.ts.
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
    if (this.#pending !== undefined || this.#next === undefined) return;
    const { table, json } = this.#next;
    this.#next = undefined;
    let update: TableUpdate;
    try {
      update = this.#indices.update(table, json);
    } catch (error) {
      this.#options.log.error({ error, version: table.version }, "Table refused");
      return;
    }
    this.#remember(table);
    // What a gateway that is about to go was told last need not be the newest.
    if (!this.#draining) this.#options.save(json);
    this.#pending = { version: table.version, missing: this.#options.threads };
    this.#options.swap(update);
    this.#tellAll({ type: "table", table: update });
  }

  #swapped(version: number): void {
    if (this.#pending?.version !== version) return;
    this.#pending.missing -= 1;
    if (this.#pending.missing > 0) return;
    this.#pending = undefined;
    this.#version = version;
    const idle = this.#indices.settled();
    this.#options.toControl({ type: "ack", version, draining: [...this.#indices.leaving] });
    for (const instance of idle) this.#options.toControl({ type: "drained", instance });
    this.#bring();
  }

  #remember(table: RouteTable): void {
    this.#instances = new Set(Object.values(table.revisions).flatMap((entry) => entry.instances.map(({ id }) => id)));
    for (const id of this.#hung.keys()) if (!this.#instances.has(id)) this.#hung.delete(id);
  }

  #tellAll(message: ToThread): void {
    for (let thread = 0; thread < this.#options.threads; thread++) this.#options.toThread(thread, message);
  }
}
