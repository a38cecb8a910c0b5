/**
 * The Kubernetes API over HTTPS. Every request goes the same way: read the path, find out who asks (certificate or token,
 * then impersonation), ask RBAC, and only then look at the body and call the ApiService, which admits, validates and stores.
 * So nothing of a refused request is read beyond its headers, and HTTP and the in-process client share everything behind.
 */
import { constants } from "node:crypto";
import { createServer as createHttpsServer, type Server } from "node:https";

import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";

import { ApiError } from "../api/meta/errors.ts";
import type { UserInfo } from "../api/meta/types.ts";
import { createTurns } from "../lib/turns.ts";
import { authenticate, unauthorized } from "./authn.ts";
import { maxBodyBytes } from "./body.ts";
import type { ApiServerOptions, ServerParts } from "./context.ts";
import { createDiscovery } from "./discovery.ts";
import { impersonate } from "./impersonation.ts";
import { createOpenApi } from "./openapi.ts";
import { handlePath, isOpenPath } from "./paths.ts";
import { forbidden, pathAttributes, resourceAttributes } from "./rbac.ts";
import { readRequest, type RequestInfo, splitUrl } from "./request-info.ts";
import { handleResource } from "./resources.ts";
import { sendError, sendNoPage } from "./respond.ts";
import { sourceRoute } from "./sources.ts";

/** Where to listen: an inherited socket, or an address and port (0 picks one). */
export type ListenOptions = { fd: number } | { host: string; port: number };

export interface ApiServer {
  /** Begins to accept; gives the port, where it is a TCP one. */
  listen(options: ListenOptions): Promise<{ port: number }>;
  /** Takes a renewed certificate for connections from now on. */
  setCertificate(pair: { cert: string; key: string }): void;
  /** Ends watches, finishes running requests for up to `graceMs` (1 s unless given), then closes what is left. */
  close(graceMs?: number): Promise<void>;
  /** For tests that need no socket. */
  readonly app: FastifyInstance;
}

interface Admitted {
  info: RequestInfo;
  user: UserInfo | undefined;
}

const admittedKey = Symbol("admitted");
type AdmittedRequest = FastifyRequest & { [admittedKey]?: Admitted };

/** Makes the server; it listens when told to. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const parts: ServerParts = {
    ...options,
    discovery: createDiscovery(options.kinds),
    openapi: createOpenApi(options.kinds, options.version),
    turns: createTurns(),
    closing: new AbortController(),
  };
  const tlsOptions = {
    ...options.tls,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    // A resumed session would carry a client certificate past its end.
    secureOptions: constants.SSL_OP_NO_TICKET,
    maxHeaderSize: 32 * 1024,
  } as const;
  let server: Server | undefined;
  const app = fastify({
    bodyLimit: maxBodyBytes,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 16_384 },
    frameworkErrors: (error, request, reply) => {
      sendError(request, reply, toApiError(error));
    },
    serverFactory: (handler) => {
      // Of what comes together, no more than its reading is done at once.
      server = createHttpsServer(tlsOptions, (incoming, outgoing) => {
        void parts.turns.take().then(() => handler(incoming, outgoing));
      });
      server.keepAliveTimeout = 120_000;
      // A source may be large and its way slow: one that stands still is ended by itself.
      server.requestTimeout = 3_600_000;
      server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
        if (!socket.writable || error.code === "ECONNRESET") return socket.destroy();
        const code = error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
        socket.end(`HTTP/1.1 ${code}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
        return undefined;
      });
      return server;
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const apiError = toApiError(error);
    if (apiError.reason === "InternalError") {
      options.log.error(
        { error: apiError.cause ?? error, method: request.method, path: request.url.split("?", 1)[0] },
        "API request failed",
      );
    }
    return sendError(request, reply, apiError);
  });
  app.setNotFoundHandler((_request, reply) => sendNoPage(reply));
  app.addHook("onRequest", async (request: AdmittedRequest) => {
    request[admittedKey] = await admit(parts, request);
  });
  app.addHook("onResponse", async (request: AdmittedRequest, reply) => {
    const { user } = request[admittedKey] ?? {};
    const fields = {
      method: request.method,
      path: splitUrl(request.url)[0],
      code: reply.statusCode,
      user: user?.username,
    };
    options.log.debug(
      { ...fields, ms: Math.round(reply.elapsedTime), audit: reply.getHeader("audit-id") },
      "API request",
    );
  });
  const answer = async (request: AdmittedRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const admitted = request[admittedKey];
    if (admitted === undefined)
      throw new ApiError("InternalError", "Internal error occurred: the request was not admitted");
    const { info, user } = admitted;
    if (!info.isResource) return handlePath(parts, request, { reply, info });
    if (user === undefined) throw unauthorized();
    await parts.turns.take();
    return handleResource(parts, { request, reply, info, user });
  };
  app.all("/*", answer);
  app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    // The body stays a stream.
    scope.addContentTypeParser("*", (_request, body, parsed) => parsed(null, body));
    scope.all(sourceRoute, answer);
    done();
  });
  await app.ready();

  return {
    app,
    listen: (where) => listen(app.server as unknown as Server, where),
    setCertificate: (pair) => server?.setSecureContext({ ...tlsOptions, ...pair }),
    close: async (graceMs = 1000) => {
      parts.closing.abort();
      const closed = new Promise<void>((resolve) => {
        if (server?.listening === true) server.close(() => resolve());
        else resolve();
      });
      server?.closeIdleConnections();
      const cancel = options.clock.after(graceMs, () => server?.closeAllConnections());
      await closed;
      cancel();
      await app.close();
    },
  };
}

/** Authentication, impersonation and authorization, before the body is read. */
async function admit(parts: ServerParts, request: FastifyRequest): Promise<Admitted> {
  const [path, search] = splitUrl(request.raw.url ?? "/");
  const info = readRequest(request.method, path, new URLSearchParams(search));
  if (info === undefined) throw new ApiError("BadRequest", "the path of the request is not valid");
  const shown = await authenticate(request.raw, parts);
  if (shown === undefined) {
    if (!info.isResource && isOpenPath(info.path)) return { info, user: undefined };
    throw unauthorized();
  }
  const user = impersonate(request.raw, shown, parts.authorizer);
  const question = info.isResource ? resourceAttributes(user, info) : pathAttributes(user, info.verb, info.path);
  const open = !info.isResource && isOpenPath(info.path);
  if (!open && !parts.authorizer.decide(question).allowed) throw forbidden(question);
  return { info, user };
}

/** What the framework throws, as the API's error. */
function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const { code, statusCode, message } = error as Partial<FastifyError>;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    return new ApiError("RequestEntityTooLarge", `Request entity too large: limit is ${maxBodyBytes}`, { details: {} });
  }
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE")
    return new ApiError("UnsupportedMediaType", "the Content-Type header is not valid");
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new ApiError("BadRequest", message ?? "the request is not valid");
  return ApiError.from(error);
}

function listen(server: Server, where: ListenOptions): Promise<{ port: number }> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen("fd" in where ? { fd: where.fd } : where, () => {
      server.off("error", reject);
      const address = server.address();
      resolve({ port: typeof address === "object" && address !== null ? address.port : 0 });
    });
  });
}
