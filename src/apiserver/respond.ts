/** Answers: objects and errors in the form that was negotiated. */
import { randomUUID } from "node:crypto";

import type { FastifyReply, FastifyRequest } from "fastify";

import type { ApiError, Status } from "../api/meta/errors.ts";
import { type Negotiated, negotiateError } from "./negotiate.ts";
import { toYaml } from "./yaml.ts";

/** The headers that every answer has; `Audit-Id` finds the request in the log. */
export function commonHeaders(): { "cache-control": string; "audit-id": string } {
  return { "cache-control": "no-cache, private", "audit-id": randomUUID() };
}

/** A value as bytes of the negotiated form. */
function encode(value: unknown, form: Pick<Negotiated, "format" | "pretty">): string {
  if (form.format === "yaml") return toYaml(value);
  return `${form.pretty ? JSON.stringify(value, undefined, 2) : JSON.stringify(value)}\n`;
}

/** Sends an object. */
export function sendObject(
  reply: FastifyReply,
  value: unknown,
  options: { code?: number; form: Negotiated },
): FastifyReply {
  const type = options.form.format === "yaml" ? "application/yaml" : "application/json";
  return (
    reply
      .code(options.code ?? 200)
      .headers(commonHeaders())
      .header("content-type", type)
      // As bytes: the framework would add a charset to text, which application/json has none of (RFC 8259 section 11).
      .send(Buffer.from(encode(value, options.form)))
  );
}

/** Sends plain text. */
export function sendText(reply: FastifyReply, code: number, text: string): FastifyReply {
  return reply.code(code).headers(commonHeaders()).header("content-type", "text/plain; charset=utf-8").send(text);
}

/** The plain answer for paths that nothing is at. */
export function sendNoPage(reply: FastifyReply): FastifyReply {
  return sendText(reply, 404, "404 page not found\n");
}

/** Sends an error as `metav1.Status`. */
export function sendError(request: FastifyRequest, reply: FastifyReply, error: ApiError): FastifyReply {
  const status: Status = error.toStatus();
  const retry = error.details?.retryAfterSeconds;
  if (retry !== undefined) reply.header("retry-after", String(retry));
  return sendObject(reply, status, { code: error.code, form: negotiateError(request.headers.accept) });
}

/** The answer to a successful deletion. */
export function successStatus(details: { name: string; group: string; kind: string; uid: string | undefined }): object {
  const { name, group, kind, uid } = details;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, ...(group === "" ? {} : { group }), kind, ...(uid === undefined ? {} : { uid }) },
  };
}

/** Texts as `Warning` header values (RFC 9110 appendix: 299 is a miscellaneous persistent warning). At most 4 KiB together, as in Kubernetes. */
export function warningHeaders(warnings: readonly string[]): string[] {
  const values: string[] = [];
  let room = 4096;
  for (const text of new Set(warnings)) {
    // Header values are Latin-1 at most: what isn't printable ASCII is left out rather than failing the answer.
    const clean = text.replaceAll(/[^\u0020-\u007e]/g, "?").slice(0, 256);
    const value = `299 - "${clean.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
    room -= value.length;
    if (room < 0) break;
    values.push(value);
  }
  return values;
}
