/** Answers requests for OpenAPI documents, which clients keep by their hash. */
import type { FastifyReply, FastifyRequest } from "fastify";

import type { OpenApi } from "./openapi.ts";
import { commonHeaders, sendNoPage } from "./respond.ts";

const root = "/openapi/v3";

/** `/openapi/v3` and what is below. */
export function sendOpenApi(
  openapi: OpenApi,
  request: FastifyRequest,
  { reply, path, query }: { reply: FastifyReply; path: string; query: URLSearchParams },
): FastifyReply {
  reply.headers(commonHeaders());
  if (path === root) return reply.header("content-type", "application/json").send(openapi.index);
  const document = path.startsWith(`${root}/`) ? openapi.documents.get(path.slice(root.length + 1)) : undefined;
  if (document === undefined) return sendNoPage(reply);
  const etag = `"${document.hash}"`;
  reply.header("etag", etag);
  if (query.has("hash")) reply.header("cache-control", "public, immutable");
  if (request.headers["if-none-match"] === etag) return reply.code(304).send();
  return reply.header("content-type", "application/json").send(document.body);
}
