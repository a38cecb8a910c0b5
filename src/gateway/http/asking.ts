/** What an exchange asks of an app: the call, in the protocol that the app speaks, with the fields that are made of the client's. */
import { Http2Call } from "../http2/call.ts";
import { traceList } from "../seen/fields.ts";
import type { Sighting } from "../seen/sighting.ts";
import { AppFields } from "./app-fields.ts";
import { type AppCall, type CallOptions, type CallUser, Http1Call } from "./call.ts";
import type { FrontContext } from "./context.ts";
import { requestFields } from "./headers.ts";
import type { Incoming } from "./incoming.ts";
import { RawCall } from "./raw-call.ts";

const repeatable = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** Whether a request may be sent again that the app may have seen (RFC 9110 §9.2.2), as far as it is still there. */
export function isRepeatable({ method, hasBody }: Incoming): boolean {
  return !hasBody && repeatable.has(method);
}

/** A call that is to be started. Throws where a field or path, let in by a parser, isn't let out by the app's protocol. */
export function newCall(context: FrontContext, options: CallOptions, user: CallUser): AppCall {
  const { wires } = context;
  if (options.instance.revision.entry.protocol === "h2c") return new Http2Call(context, options, user);
  // What an upgraded connection is joined by are streams of Node's.
  if (options.upgrade !== undefined || wires === undefined) return new Http1Call(context, options, user);
  return new RawCall(wires, options, user);
}

/**
 * The request's fields for the app.
 * @param authority that was asked for, as the client wrote it
 * @param http2 that the app speaks
 */
export function fieldsForApp(
  incoming: Incoming,
  authority: string,
  sighting: Sighting | undefined,
  http2: boolean,
): AppFields {
  const { raw, expects, memo, upgrade } = incoming;
  if (memo === undefined || sighting !== undefined || upgrade !== undefined)
    return makeFields(incoming, authority, sighting, http2);
  return memo.get({ raw, authority, expects }, () => makeFields(incoming, authority, sighting, http2));
}

function makeFields(
  { raw, address, protocol, expects, upgrade }: Incoming,
  authority: string,
  sighting: Sighting | undefined,
  http2: boolean,
): AppFields {
  const list = requestFields(raw, { address, authority, protocol });
  if (sighting !== undefined) traceList(list, sighting);
  if (!expects) dropField(list, "expect");
  // The key is of HTTP/1.1 alone.
  if (http2 && upgrade !== undefined) dropField(list, "sec-websocket-key");
  else list.push(...(upgrade?.fields ?? []));
  return new AppFields(list);
}

function dropField(fields: string[], name: string): void {
  for (let i = fields.length - 2; i >= 0; i -= 2) if (fields[i]?.toLowerCase() === name) fields.splice(i, 2);
}
