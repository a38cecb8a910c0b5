/** What the connections of one front share. */
import type { Clock } from "../../lib/clock.ts";
import type { Core } from "../core.ts";
import type { DivertOptions } from "../divert.ts";
import { HostNames } from "../match.ts";
import type { GatewayLimits } from "../options.ts";
import type { Observer } from "../seen/observer.ts";
import type { AnswerHead } from "./answer-head.ts";
import type { AppWires } from "./app-wires.ts";
import type { Client } from "./client.ts";
import { deadlineClock } from "./deadlines.ts";
import { Ids } from "./ids.ts";
import type { Out } from "./out.ts";
import type { Pool } from "./pool.ts";
import { RequestHead } from "./request-head.ts";
import type { ClientWire } from "./wire.ts";

export interface ContextOptions {
  /** How its clients come. */
  scheme: "http" | "https";
  core: Core;
  clock: Clock;
  limits: GatewayLimits;
  verboseErrors: boolean;
  divert?: DivertOptions;
  observer: Observer | undefined;
  /** To apps. */
  wires: AppWires;
  /** Serves a connection from its next request on, or from its preface if it is one of HTTP/2; `bytes` of it were read already. */
  handOver: HandOver;
}

export type HandOver = (wire: ClientWire, bytes: Buffer, http: 1 | 2) => void;

export class Context {
  readonly scheme: "http" | "https";
  readonly core: Core;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
  readonly verboseErrors: boolean;
  readonly divert: DivertOptions | undefined;
  readonly observer: Observer | undefined;
  readonly handOver: HandOver;
  readonly pool: Pool;
  /** For both sides of an exchange: what one event has to send goes out before the next. */
  readonly out: Out;
  readonly requestHead: RequestHead;
  readonly answerHead: AnswerHead;
  /** Clients that are connected. */
  readonly clients = new Set<Client>();
  /** Clients are told to close their connections. */
  draining = false;
  /** Called when the last client has gone. */
  emptied: (() => void) | undefined;
  /** The connection's fields in answers to clients that may go on, and to those that may not. */
  readonly keepAliveLines: string;
  readonly closeLine = "Connection: close\r\n";
  readonly #names = new HostNames();
  #second = 0;
  readonly #headEnds: readonly HeadEnd[];
  readonly #ids = new Ids();

  constructor(options: ContextOptions) {
    this.scheme = options.scheme;
    this.core = options.core;
    this.clock = deadlineClock(options.clock);
    this.limits = options.limits;
    this.verboseErrors = options.verboseErrors;
    this.observer = options.observer;
    this.divert = options.divert;
    this.handOver = options.handOver;
    this.pool = options.wires.pool;
    this.out = options.wires.out;
    this.answerHead = options.wires.answerHead;
    const { headerBytes, headerCount, idleMs } = options.limits;
    this.requestHead = new RequestHead({ bytes: headerBytes, fields: headerCount });
    this.keepAliveLines = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(idleMs / 1_000)}\r\n`;
    this.#headEnds = [this.closeLine, this.keepAliveLines].flatMap((lines) =>
      ["", "Transfer-Encoding: chunked\r\n"].map((coding) => {
        const text = `${lines}${coding}\r\n`;
        return { text, bytes: latin1(`\r\n${text}`), dated: latin1("") };
      }),
    );
  }

  /** The client's connection is over, or served by somebody else. */
  remove(client: Client): void {
    if (this.clients.delete(client) && this.clients.size === 0) this.emptied?.();
  }

  /** A `Host` value in the table's form; undefined if it isn't one. */
  hostOf(authority: string): string | undefined {
    return this.#names.of(authority);
  }

  newId(): string {
    return this.#ids.next();
  }

  /** How the head of an answer ends: `Date` where it lacks one (RFC 9110 §6.6.1), and what is said of the connection. */
  headEnd({ dated, persists, chunks }: { dated: boolean; persists: boolean; chunks: boolean }): Buffer {
    if (!dated) this.#date();
    const end = this.#headEnds[(persists ? 2 : 0) + (chunks ? 1 : 0)];
    return (dated ? end?.bytes : end?.dated) ?? noBytes;
  }

  /** Makes the ends with `Date` of this second. */
  #date(): void {
    const second = Math.floor(this.clock.now() / 1_000);
    if (second === this.#second) return;
    this.#second = second;
    const line = `\r\nDate: ${new Date(second * 1_000).toUTCString()}\r\n`;
    for (const end of this.#headEnds) end.dated = latin1(line + end.text);
  }
}

/** What stands behind the request's id in the head of an answer. */
interface HeadEnd {
  readonly text: string;
  /** After an app's `Date`, and with one of this second. */
  readonly bytes: Buffer;
  dated: Buffer;
}

const noBytes = Buffer.alloc(0);

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
