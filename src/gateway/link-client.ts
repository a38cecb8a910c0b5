/**
 * The gateway's end of the link to control (routing/link.ts): connects for ever, says hello, takes tables, renews the lease. Without
 * control the gateway goes on with what it has.
 */
import { connect, type Socket } from "node:net";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type ControlMessage, type GatewayMessage, leaseRenewMs, reconnectMs } from "../routing/link.ts";
import { checkCertificates } from "./check-certificates.ts";
import { checkChange, checkTable } from "./check-table.ts";
import { checkShares } from "./check-shares.ts";
import { readLines, writeLine } from "./lines.ts";

const firstDelayMs = 20;
/** How long a gateway that has ended tries to say so. */
const endMs = 1_000;

export interface LinkClientOptions {
  /** Of control's socket. */
  path: string;
  clock: Clock;
  log: Log;
  /** Said first on each connection. */
  hello(): GatewayMessage & { type: "hello" };
  /** A connection was made, and hello said. */
  connected(): void;
  /** A connection has ended, or couldn't be made. */
  away(): void;
  /** A message of control, each of its members checked. An Error that this throws ends the connection, and the next begins with hello. */
  received(message: Exclude<ControlMessage, { type: "alive" }>): void;
}

export class LinkClient {
  readonly #options: LinkClientOptions;
  #socket: Socket | undefined;
  #delay = 0;
  #stopped = false;

  constructor(options: LinkClientOptions) {
    this.#options = options;
  }

  start(): void {
    const { path, clock, log } = this.#options;
    if (this.#stopped) return;
    const socket = connect({ path });
    let cancelRenewal: (() => void) | undefined;
    const renew = (): void => {
      cancelRenewal = clock.after(leaseRenewMs, () => {
        writeLine(socket, { type: "alive" } satisfies GatewayMessage);
        renew();
      });
    };
    socket.on("connect", () => {
      this.#socket = socket;
      log.info({ path }, "Connected to control");
      writeLine(socket, this.#options.hello());
      this.#options.connected();
      renew();
    });
    readLines(socket, (line) => this.#read(line));
    socket.on("error", (error) => {
      if (this.#socket === socket) log.warn({ error, path }, "Connection to control failed");
    });
    socket.on("close", () => {
      cancelRenewal?.();
      if (this.#socket === socket) log.warn({ path }, "Connection to control ended: serving with the last table");
      this.#socket = undefined;
      this.#options.away();
      this.#delay = Math.min(Math.max(this.#delay * 2, firstDelayMs), reconnectMs);
      clock.after(this.#delay, () => this.start());
    });
  }

  /** Says something to control; nothing happens while it is away. */
  send(message: GatewayMessage): void {
    if (this.#socket !== undefined) writeLine(this.#socket, message);
  }

  /** Tells control that this gateway has ended. Resolves when that is sent, or can't be within a second; at once where control is away. */
  end(): Promise<void> {
    const socket = this.#socket;
    this.#stopped = true;
    if (socket === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#options.clock.after(endMs, resolve);
      socket.once("close", () => resolve());
      writeLine(socket, { type: "ended" } satisfies GatewayMessage);
      socket.end(() => resolve());
    });
  }

  /** Ends the connection; the next one begins with hello. */
  drop(): void {
    this.#socket?.destroy();
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.destroy();
  }

  #read(line: string): void {
    // Not with the connection: what takes it may be a way to a control that isn't there.
    this.#delay = 0;
    const message = JSON.parse(line) as Record<string, unknown> | null;
    if (message?.["type"] === "table") {
      this.#options.received({ type: "table", table: checkTable(message["table"]) });
      return;
    }
    if (message?.["type"] === "change") {
      this.#options.received(checkChange(message));
      return;
    }
    if (message?.["type"] === "certificates") {
      this.#options.received({ type: "certificates", update: checkCertificates(message["update"]) });
      return;
    }
    if (message?.["type"] === "shares") {
      this.#options.received(checkShares(message));
      return;
    }
    if (message?.["type"] === "later") {
      this.#options.received({ type: "later" });
      return;
    }
    // Whoever carries the connection to another machine looks at that.
    if (message?.["type"] === "alive") return;
    const age = message?.["maxConnectionAgeMs"];
    if (message?.["type"] === "shed" && typeof age === "number" && age >= 0) {
      this.#options.received({ type: "shed", maxConnectionAgeMs: age });
      return;
    }
    // A newer control may say more than this gateway knows.
    this.#options.log.warn({ type: message?.["type"] }, "Message of control not understood");
  }
}
