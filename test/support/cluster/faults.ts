/** Faults that a test asks of a simulated cluster's API server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError } from "../../../src/api/meta/errors.ts";

/** What a request must be like to be hit. Absent fields match all. */
interface Where {
  method?: string;
  /** Matches path and query. */
  path?: RegExp;
  /** How many requests are hit. Default: 1. */
  times?: number;
}

export interface ApiFaults {
  /** Answers with a 409 Conflict, as where another writer was faster. */
  conflict(where?: Where): void;
  /** Answers with 410 Gone (Expired), as where a watch or page asks for what is forgotten. */
  expired(where?: Where): void;
  /** Answers with 429 and Retry-After, in seconds. */
  tooMany(retryAfterSeconds: number, where?: Where): void;
  /** Answers with 500. */
  broken(where?: Where): void;
  /** Holds requests up for that long before they are looked at. */
  slow(ms: number, where?: Where): void;
  /** Does what is asked, and ends the connection before the answer: whoever asked can't know. */
  loseAnswer(where?: Where): void;
  /** Ends the connections of running watches; gives how many. */
  dropWatches(): number;
  /** Lets running watches stand still for ever: their connections live, nothing comes. Gives how many. */
  silenceWatches(): number;
  /** Forgets all that was asked for and wasn't used up. */
  clear(): void;
}

interface Planned {
  where: Where;
  left: number;
  error?: ApiError;
  delayMs?: number;
  loses?: boolean;
}

/** The faults, and the server's side of them. */
export class FaultPlan implements ApiFaults {
  #planned: Planned[] = [];
  readonly #watches = new Set<ServerResponse>();
  readonly #onRequest: (request: IncomingMessage) => void;

  constructor(onRequest: (request: IncomingMessage) => void = () => {}) {
    this.#onRequest = onRequest;
  }

  conflict(where: Where = {}): void {
    const words = "the object has been modified; please apply your changes to the latest version and try again";
    this.#plan(where, { error: new ApiError("Conflict", `Operation cannot be fulfilled: ${words}`) });
  }

  expired(where: Where = {}): void {
    this.#plan(where, { error: new ApiError("Expired", "The resourceVersion for the provided watch is too old.") });
  }

  tooMany(retryAfterSeconds: number, where: Where = {}): void {
    const details = { retryAfterSeconds };
    const words = "Too many requests, please try again later.";
    this.#plan(where, { error: new ApiError("TooManyRequests", words, { details }) });
  }

  broken(where: Where = {}): void {
    this.#plan(where, { error: new ApiError("InternalError", "Internal error occurred: etcdserver: leader changed") });
  }

  slow(ms: number, where: Where = {}): void {
    this.#plan(where, { delayMs: ms });
  }

  loseAnswer(where: Where = {}): void {
    this.#plan(where, { loses: true });
  }

  dropWatches(): number {
    for (const response of this.#watches) response.socket?.destroy();
    return this.#watches.size;
  }

  silenceWatches(): number {
    const count = this.#watches.size;
    for (const response of this.#watches) {
      response.write = () => true;
      response.end = () => response;
    }
    this.#watches.clear();
    return count;
  }

  clear(): void {
    this.#planned = [];
  }

  #plan(where: Where, fault: Omit<Planned, "where" | "left">): void {
    this.#planned.push({ where, left: where.times ?? 1, ...fault });
  }

  /** Applies to a request what is planned for it. Rejects with the error to answer. */
  async meet(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#onRequest(request);
    if (/[?&]watch=(?:true|1)/.test(request.url ?? "")) {
      this.#watches.add(response);
      response.once("close", () => this.#watches.delete(response));
    }
    const planned = this.#planned.find(({ where }) => matches(where, request));
    if (planned === undefined) return;
    planned.left -= 1;
    if (planned.left <= 0) this.#planned = this.#planned.filter((one) => one !== planned);
    const { delayMs, error, loses } = planned;
    if (loses === true) {
      response.end = () => {
        response.socket?.destroy();
        return response;
      };
    }
    if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (error !== undefined) throw error;
  }
}

function matches({ method, path }: Where, request: IncomingMessage): boolean {
  return (method === undefined || method === request.method) && (path === undefined || path.test(request.url ?? ""));
}
