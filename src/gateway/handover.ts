/**
 * How a gateway and the one that replaces it share concurrency limits, so that an instance never has more requests than its limit from both
 * together. The slots of Revisions with a limit have one giver at a time: the newest gateway.
 *
 * A gateway that starts connects to the one before it, which from then on takes no such slot by itself: it says what it holds, asks for
 * each slot that a request of its needs, and says when one is free again. The new one counts these like its own, in the order of arrival,
 * and only then begins to accept. When the old one ends, what it held is free; when the new one ends early, the old one gives out slots itself
 * again. A chain of three works the same way: the one in the middle passes on what the first asks for.
 *
 * In each process the hub takes part with a core of its own, beside those of the serving threads, for what another gateway asks.
 */
import { connect, createServer, type Socket } from "node:net";
import { rmSync } from "node:fs";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Core } from "./core.ts";
import { readLines, writeLine } from "./lines.ts";
import type { FromThread, ToThread } from "./messages.ts";
import type { Instance } from "./state.ts";

/** A gateway that doesn't say what it holds for as long is not waited for. */
const patienceMs = 3_000;
/** How often a request for a slot that can't even be queued is tried again. */
const againMs = 100;

type FromOld =
  | { type: "held"; held: Record<string, number> }
  /** `to` comes back with the grant: the old gateway's thread. */
  | { type: "want"; to: number; revision: string }
  | { type: "returned"; instance: string };
interface Grant {
  type: "grant";
  to: number;
  revision: string;
  instance: string;
}

export interface HandoverOptions {
  path: string;
  threads: number;
  clock: Clock;
  log: Log;
  toThread(thread: number, message: ToThread): void;
}

export class Handover {
  readonly #options: HandoverOptions;
  /** The hub's. */
  readonly #core: Core;
  /** The gateway after this one, and what it has to be told at once: all that is held, when the last thread has said it. */
  #next: Socket | undefined;
  #missing = 0;
  #held: Record<string, number> = {};
  #early: FromOld[] = [];

  constructor(core: Core, options: HandoverOptions) {
    this.#core = core;
    this.#options = options;
  }

  /** Takes over from the gateway that listens on the path, if one does. Resolves when this one may accept requests. */
  async follow(): Promise<void> {
    const { clock, log, path } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = connect({ path });
    const cancel = clock.after(patienceMs, () => socket.destroy());
    const holdings = new Map<string, Instance[]>();
    readLines(socket, (line) => {
      const message = JSON.parse(line) as FromOld;
      if (message.type === "held") {
        for (const [id, count] of Object.entries(message.held)) this.#adopt(holdings, id, count);
        cancel();
        log.info({ instances: holdings.size }, "Taking over from the gateway before");
        resolve();
      } else if (message.type === "returned") {
        const instance = holdings.get(message.instance)?.pop();
        if (instance !== undefined) this.#core.release(instance);
      } else this.#place(socket, message, holdings);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT" && error.code !== "ECONNREFUSED") log.warn({ error }, "Gateway before failed");
    });
    socket.on("close", () => {
      cancel();
      for (const instances of holdings.values()) for (const instance of instances) this.#core.release(instance);
      holdings.clear();
      resolve();
    });
    await promise;
  }

  /** Waits for the gateway after this one; called when all threads run. */
  listen(): void {
    const { path, log } = this.#options;
    const server = createServer((socket) => {
      socket.on("error", (error) => log.warn({ error }, "Gateway after failed"));
      if (this.#next !== undefined) {
        socket.destroy();
        return;
      }
      this.#giveOver(socket);
    });
    server.on("error", (error) => log.error({ error, path }, "No handover to the next gateway"));
    // What is there belongs to the gateway before, whose connection to this one stays.
    rmSync(path, { force: true });
    server.listen({ path });
  }

  /** What a thread says about slots; `thread` is its number, or the hub's own. */
  fromThread(thread: number, message: FromThread): void {
    if (this.#next === undefined) return;
    if (message.type === "asking") {
      for (const [id, count] of Object.entries(message.held)) this.#held[id] = (this.#held[id] ?? 0) + count;
      this.#missing -= 1;
      if (this.#missing > 0) return;
      writeLine(this.#next, { type: "held", held: this.#held } satisfies FromOld);
      for (const early of this.#early.splice(0)) writeLine(this.#next, early);
    } else if (message.type === "want") this.#tell({ type: "want", to: thread, revision: message.revision });
    else if (message.type === "returned") this.#tell({ type: "returned", instance: message.instance });
  }

  #giveOver(socket: Socket): void {
    const { threads, log } = this.#options;
    const toThread: HandoverOptions["toThread"] = (thread, message) => this.#options.toThread(thread, message);
    this.#next = socket;
    this.#missing = threads + 1;
    this.#held = {};
    this.#early = [];
    readLines(socket, (line) => {
      const { to, revision, instance } = JSON.parse(line) as Grant;
      if (to === threads) this.#core.granted(revision, instance);
      else toThread(to, { type: "granted", revision, instance });
    });
    socket.on("close", () => {
      log.warn({}, "Gateway after has ended: giving out slots again");
      this.#next = undefined;
      for (let thread = 0; thread < threads; thread++) toThread(thread, { type: "own" });
      this.#core.stopAsking();
    });
    log.info({}, "Giving over to the next gateway");
    for (let thread = 0; thread < threads; thread++) toThread(thread, { type: "ask" });
    this.fromThread(threads, { type: "asking", held: this.#core.startAsking() });
  }

  #tell(message: FromOld): void {
    if (this.#next === undefined) return;
    if (this.#missing > 0) this.#early.push(message);
    else writeLine(this.#next, message);
  }

  #adopt(holdings: Map<string, Instance[]>, id: string, count: number): void {
    const instance = this.#core.adopt(id, count);
    if (instance === undefined) return;
    holdings.set(
      id,
      Array.from({ length: count }, () => instance),
    );
  }

  /** Gets a slot for the old gateway's request, in the order of arrival with all others. */
  #place(socket: Socket, want: { to: number; revision: string }, holdings: Map<string, Instance[]>): void {
    const again = (): void => void this.#options.clock.after(againMs, () => this.#place(socket, want, holdings));
    if (socket.destroyed) return;
    const revision = this.#core.revision(want.revision);
    // The old gateway may know it already, and this one soon.
    if (revision === undefined) return again();
    const granted = (instance: Instance): void => {
      if (socket.destroyed) {
        this.#core.release(instance);
        return;
      }
      const held = holdings.get(instance.id) ?? [];
      held.push(instance);
      holdings.set(instance.id, held);
      const { to, revision: name } = want;
      writeLine(socket, { type: "grant", to, revision: name, instance: instance.id } satisfies Grant);
    };
    const taken = this.#core.take(revision);
    if (taken !== undefined) return granted(taken);
    if (!this.#core.wait(revision, { ticket: this.#core.ticket(), bytes: 0, granted, dismissed: again })) again();
  }
}
