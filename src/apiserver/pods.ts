/** Subresources of Pods: logs; the interactive ones are refused with a sentence. */
import { once } from "node:events";

import type { FastifyReply } from "fastify";

import { ApiError, type Cause } from "../api/meta/errors.ts";
import { type KindCall, notFound } from "./call.ts";
import type { Clock } from "../lib/clock.ts";
import type { ServerParts } from "./context.ts";
import type { LogOptions } from "./logs.ts";
import { readInteger } from "./query.ts";
import { systemUser } from "./rbac-cache.ts";
import { isTrue } from "./request-info.ts";
import { commonHeaders } from "./respond.ts";

const interactive = ["exec", "attach", "portforward", "proxy", "eviction", "ephemeralcontainers", "resize"];

/** Answers a request on a Pod's subresource. */
export async function handlePodSubresource(parts: ServerParts, call: KindCall): Promise<FastifyReply> {
  const { info, kind } = call;
  if (info.subresource === "log" && info.rest.length === 0) {
    if (info.verb !== "get") {
      throw new ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource", {
        details: {},
      });
    }
    return streamLog(parts, call);
  }
  if (interactive.includes(info.subresource)) {
    throw new ApiError(
      "MethodNotAllowed",
      `pods/${info.subresource} is not supported yet: Pods are a read-only view of instances`,
      {
        details: { name: info.name, kind: kind.plural },
      },
    );
  }
  throw notFound(kind, info.name);
}

/** Reads the query of a log request. Rejects with Invalid. */
function readLogOptions(query: URLSearchParams): LogOptions {
  const options: LogOptions = {};
  const causes: Cause[] = [];
  const container = query.get("container");
  if (container !== null && container !== "") options.container = container;
  for (const flag of ["follow", "timestamps", "previous"] as const) if (isTrue(query.get(flag))) options[flag] = true;
  for (const [field, least] of [
    ["tailLines", 0],
    ["sinceSeconds", 1],
    ["limitBytes", 1],
  ] as const) {
    const value = readInteger(query, field);
    if (value === undefined) continue;
    if (value < least)
      causes.push({
        reason: "FieldValueInvalid",
        message: `Invalid value: ${value}: must be greater than or equal to ${least}`,
        field,
      });
    options[field] = value;
  }
  const since = query.get("sinceTime");
  if (since !== null && since !== "") {
    if (Number.isNaN(Date.parse(since))) {
      causes.push({
        reason: "FieldValueInvalid",
        message: `Invalid value: ${JSON.stringify(since)}: must be an RFC 3339 time`,
        field: "sinceTime",
      });
    }
    options.sinceTime = since;
    if (options.sinceSeconds !== undefined) {
      causes.push({
        reason: "FieldValueForbidden",
        message: "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        field: "",
      });
    }
  }
  if (causes.length > 0) {
    const text = causes.map(({ field, message }) => `${field}: ${message}`).join(", ");
    throw new ApiError("Invalid", `PodLogOptions "" is invalid: ${text}`, {
      details: { kind: "PodLogOptions", causes },
    });
  }
  return options;
}

/** Long enough for a source to find that it has nothing to read. */
const headersWithinMs = 100;

function soon(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.after(headersWithinMs, resolve);
  });
}

async function streamLog(parts: ServerParts, call: KindCall): Promise<FastifyReply> {
  const { reply, info, query, context, target } = call;
  const options = readLogOptions(query);
  if (parts.logs === undefined)
    throw new ApiError("ServiceUnavailable", "logs are not available: no instances run here");
  // Whoever may read logs needs no right to read the Pod itself.
  await parts.service.get({ ...context, user: systemUser }, target);
  const signal = AbortSignal.any([parts.closing.signal, ...(context.signal === undefined ? [] : [context.signal])]);
  const chunks = parts.logs.open(info.namespace, info.name, options, signal)[Symbol.asyncIterator]();
  const first = chunks.next();
  // A log that is followed may be silent for long: its reader gets headers soon, others with the first chunk or an error.
  if (options.follow === true) await Promise.race([first, soon(parts.clock)]);
  else await first;
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { ...commonHeaders(), "content-type": "text/plain" });
  raw.flushHeaders();
  try {
    for (let next = await first; next.done !== true; next = await chunks.next()) {
      if (raw.destroyed) break;
      if (!raw.write(next.value)) await once(raw, "drain", { signal });
    }
  } catch (error) {
    if (!signal.aborted) {
      parts.log.warn({ error, pod: info.name, namespace: info.namespace }, "Cannot go on reading a log");
      raw.write(`\n${ApiError.from(error).message}\n`);
    }
  } finally {
    await chunks.return?.();
    raw.end();
  }
  return reply;
}
