/** The workers of the serving threads. They are started before the rest of the first thread is loaded, and load their own part meanwhile. */
import { extname } from "node:path";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { SharedMemory } from "./memory.ts";
import type { FromThread, ThreadData, ToThread } from "./messages.ts";
import type { FullGatewayOptions } from "./options.ts";

/** Who is told what becomes of them. */
export interface WorkersUser {
  message(thread: number, message: FromThread): void;
  error(thread: number, error: unknown): void;
  exit(thread: number, status: number): void;
}

export class Workers {
  readonly #workers: Worker[];
  /** What happened before there was a user. */
  readonly #early: ((user: WorkersUser) => void)[] = [];
  #user: WorkersUser | undefined;

  /** Starts a worker for each thread. */
  constructor(options: FullGatewayOptions, memory: SharedMemory) {
    const ports = connectAll(options.threads);
    this.#workers = ports.map((own, thread) => {
      const data: ThreadData = { thread, options, memory, ports: own };
      const worker = new Worker(new URL(`./thread${extname(import.meta.url)}`, import.meta.url), {
        workerData: data,
        transferList: own.filter((port) => port !== null),
      });
      worker.on("message", (message: FromThread) => this.#tell((user) => user.message(thread, message)));
      worker.on("error", (error) => this.#tell((user) => user.error(thread, error)));
      worker.on("exit", (status) => this.#tell((user) => user.exit(thread, status)));
      return worker;
    });
  }

  post(thread: number, message: ToThread): void {
    this.#workers[thread]?.postMessage(message);
  }

  /** Tells this one from now on, and what it has missed. */
  begin(user: WorkersUser): void {
    this.#user = user;
    for (const early of this.#early.splice(0)) early(user);
  }

  #tell(what: (user: WorkersUser) => void): void {
    if (this.#user === undefined) this.#early.push(what);
    else what(this.#user);
  }
}

/** A channel for each pair of threads; for each thread its ends, by the other's number. */
function connectAll(threads: number): (MessagePort | null)[][] {
  const ends = Array.from({ length: threads }, () => Array.from({ length: threads }, (): MessagePort | null => null));
  for (let a = 0; a < threads; a++) {
    for (let b = a + 1; b < threads; b++) {
      const { port1, port2 } = new MessageChannel();
      (ends[a] ?? [])[b] = port1;
      (ends[b] ?? [])[a] = port2;
    }
  }
  return ends;
}
