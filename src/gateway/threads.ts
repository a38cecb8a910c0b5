/**
 * The serving threads as the rest of the process talks to them. One that has died answers from then on as one that has nothing, so that
 * nobody waits for it: its requests are lost with it, the other threads go on, and the next gateway, which is asked for, replaces them all.
 * (A thread isn't started again in its place: what it held of the shared memory would stay taken.)
 */
import type { FromThread, ToThread } from "./messages.ts";

export interface ThreadsOptions {
  /** Sends a message to a thread that lives. */
  post(thread: number, message: ToThread): void;
  /** A thread says something. */
  receive(thread: number, message: FromThread): void;
}

export class Threads {
  readonly #options: ThreadsOptions;
  readonly #lost = new Set<number>();
  /** By thread: what it hasn't answered yet, by the answer's type, and what is said in its place if it dies. */
  readonly #owed = new Map<number, Map<FromThread["type"], FromThread>>();

  constructor(options: ThreadsOptions) {
    this.#options = options;
  }

  /** How many have died. */
  get lost(): number {
    return this.#lost.size;
  }

  send(thread: number, message: ToThread): void {
    const answer = emptyAnswer(message);
    if (this.#lost.has(thread)) {
      if (answer !== undefined) this.#answer(thread, answer);
      return;
    }
    if (answer !== undefined) {
      let owed = this.#owed.get(thread);
      if (owed === undefined) this.#owed.set(thread, (owed = new Map()));
      owed.set(answer.type, answer);
    }
    this.#options.post(thread, message);
  }

  fromThread(thread: number, message: FromThread): void {
    if (this.#lost.has(thread)) return;
    this.#owed.get(thread)?.delete(message.type);
    this.#options.receive(thread, message);
  }

  /** The thread has died. */
  lose(thread: number): void {
    if (this.#lost.has(thread)) return;
    this.#lost.add(thread);
    for (const answer of this.#owed.get(thread)?.values() ?? []) this.#answer(thread, answer);
    this.#owed.delete(thread);
  }

  /** Later, as a thread that lives would. */
  #answer(thread: number, answer: FromThread): void {
    setImmediate(() => this.#options.receive(thread, answer));
  }
}

/** What a thread that has nothing answers; undefined to what needs no answer. */
function emptyAnswer(message: ToThread): FromThread | undefined {
  switch (message.type) {
    case "table":
      return { type: "swapped", version: message.table.version };
    case "certificates":
      return { type: "certified", version: message.update.version };
    case "drain":
      return { type: "empty" };
    case "ask":
      return { type: "asking", held: {} };
    case "granted":
      return { type: "returned", instance: message.instance };
    case "report":
      return { type: "load", revisions: [], outcomes: [], linesDropped: 0 };
    default:
      return undefined;
  }
}
