/** Watches: one JSON event a line, for as long as the client, the server and `timeoutSeconds` let it. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { FastifyReply } from "fastify";

import { ApiError, isReason } from "../api/meta/errors.ts";
import { apiVersionOf } from "../api/meta/kind.ts";
import type { KubeObject, WatchEvent } from "../api/meta/types.ts";
import { type KindCall, transformObject } from "./call.ts";
import type { ServerParts } from "./context.ts";
import { type Negotiated, negotiate } from "./negotiate.ts";
import { readWatchOptions } from "./query.ts";
import { commonHeaders } from "./respond.ts";
import { bookmarkTable, partialMetadata } from "./table.ts";

/** A watch without `timeoutSeconds` ends after 30 to 60 minutes, at different times for different clients. */
const shortestSeconds = 1800;

/** Answers a watch. What is wrong with the request itself is an HTTP error; what happens later is an ERROR event and the end. */
export async function streamWatch(parts: ServerParts, call: KindCall): Promise<FastifyReply> {
  const { query, target, context, reply, request } = call;
  const form = negotiate(request.headers.accept, { watch: true });
  const options = readWatchOptions(query);
  options.timeoutSeconds ??= shortestSeconds + Math.floor(Math.random() * shortestSeconds);
  const signal = AbortSignal.any([parts.closing.signal, ...(context.signal === undefined ? [] : [context.signal])]);
  const events = parts.service.watch({ ...context, signal }, target, options)[Symbol.asyncIterator]();
  const first = events.next();
  // Options are checked without any I/O: whatever is wrong with them shows within this turn of the event loop.
  const early = first.then(
    () => undefined,
    (error: unknown) => {
      if (!isReason(error, "Expired", "Gone")) throw error;
    },
  );
  await Promise.race([early, nextTurn()]);

  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { ...commonHeaders(), "content-type": "application/json" });
  raw.flushHeaders();
  await pump(raw, { events, first, lines: eventLines(parts, call, form), log: parts.log });
  return reply;
}

interface Pump {
  events: AsyncIterator<WatchEvent<KubeObject>>;
  first: Promise<IteratorResult<WatchEvent<KubeObject>>>;
  lines: (event: WatchEvent<KubeObject>) => string;
  log: ServerParts["log"];
}

async function pump(raw: ServerResponse, { events, first, lines, log }: Pump): Promise<void> {
  const gone = new AbortController();
  raw.once("close", () => gone.abort());
  try {
    for (let next = await first; next.done !== true; next = await events.next()) {
      if (raw.destroyed) return;
      if (!raw.write(lines(next.value))) await once(raw, "drain", { signal: gone.signal });
    }
  } catch (error) {
    if (raw.destroyed) return;
    const apiError = ApiError.from(error);
    if (apiError.reason === "InternalError") log.error({ error: apiError.cause ?? error }, "Watch failed");
    raw.write(`${JSON.stringify({ type: "ERROR", object: apiError.toStatus() })}\n`);
  } finally {
    await events.return?.();
    raw.end();
  }
}

function eventLines(parts: ServerParts, call: KindCall, form: Negotiated): (event: WatchEvent<KubeObject>) => string {
  let columns = true;
  return ({ type, object }) => {
    const shown =
      type === "BOOKMARK"
        ? bookmark(call, { object, form, columns })
        : transformObject(parts, call, { object, form, columns });
    columns = false;
    return `${JSON.stringify({ type, object: shown })}\n`;
  };
}

/** A bookmark carries a resourceVersion only; what it is of is added. */
function bookmark(
  { kind }: KindCall,
  { object, form, columns }: { object: KubeObject; form: Negotiated; columns: boolean },
): unknown {
  if (form.transform === "Table") return bookmarkTable(kind, object, columns);
  if (form.transform !== undefined) return partialMetadata(object);
  return { ...object, kind: kind.kind, apiVersion: apiVersionOf(kind) };
}
