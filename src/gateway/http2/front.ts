/** Connections of clients that speak HTTP/2, for the front that accepts them (http/front.ts): all that is shared by them in a thread. */
import type { Duplex } from "node:stream";
import { type Answer, answers } from "../answers.ts";
import type { FrontContext } from "../http/context.ts";
import { Exchange } from "../http/exchange.ts";
import { Http2Client } from "./client.ts";
import type { GatewayLimits } from "../options.ts";
import { sectionBytes } from "./fields.ts";
import type { Http2Incoming } from "./incoming.ts";

export interface Http2Connections {
  /** How many are open. */
  readonly size: number;
  /** Serves an accepted connection; what was read of it was put back by `unshift`. */
  take(socket: Duplex): void;
  /** Ends those that are idle; called now and then. */
  check(now: number): void;
  /** Tells clients that their connections take nothing more, and ends them when what is on them has ended. */
  drain(): void;
  /** Drops all. */
  close(): void;
}

/** @param begin is given each request's exchange to start, and the answer for one that isn't let pass; `emptied` is called when the last connection has gone */
export function createHttp2Connections(
  context: FrontContext,
  { begin, emptied }: { begin: (exchange: Exchange, refusal: Answer | undefined) => void; emptied: () => void },
): Http2Connections {
  const clients = new Set<Http2Client>();
  const { clock, limits } = context;
  const streams = { open: 0 };
  let draining = false;
  const request = (incoming: Http2Incoming): void => {
    begin(new Exchange(context, incoming), refusalOf(incoming, limits));
  };
  const closed = (client: Http2Client): void => {
    clients.delete(client);
    if (clients.size === 0) emptied();
  };
  return {
    get size() {
      return clients.size;
    },
    take(socket) {
      const client = new Http2Client(socket, { clock, limits, streams, request, closed });
      clients.add(client);
      if (draining) client.close();
    },
    check(now) {
      for (const client of clients) client.check(now);
    },
    drain() {
      draining = true;
      for (const client of clients) client.close();
    },
    close() {
      for (const client of clients) client.destroy();
    },
  };
}

/** Why a request isn't let pass, whatever it asks for. Node's HTTP/2 has refused what is malformed already. */
function refusalOf(incoming: Http2Incoming, { headerBytes }: GatewayLimits): Answer | undefined {
  const { raw, method, url, connectProtocol, upgrade } = incoming;
  if (sectionBytes(raw) > headerBytes) return answers.fieldsTooLarge;
  if (method === "CONNECT" && connectProtocol === undefined) return answers.noConnect;
  if (connectProtocol !== undefined && upgrade === undefined) return answers.protocolUnknown;
  // A stream that the client has ended already can't carry two ways.
  if (upgrade !== undefined && incoming.body.endAfterHeaders) return answers.badRequest;
  // A whole URL would name a second host.
  return url.startsWith("/") || url === "*" ? undefined : answers.badRequest;
}
