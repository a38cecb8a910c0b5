/** The HTTPS front of a simulated cluster: asked-for faults, Kubernetes' own dialect, and what only Kubernetes serves; the rest is Elafros' API server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { parse as parseYaml } from "yaml";
import { ApiError } from "../../../src/api/meta/errors.ts";
import type { Kind } from "../../../src/api/meta/kind.ts";
import type { ApiService, RequestContext, Target } from "../../../src/api/meta/service.ts";
import type { UserInfo } from "../../../src/api/meta/types.ts";
import { authenticate, unauthorized } from "../../../src/apiserver/authn.ts";
import type { Authorizer } from "../../../src/apiserver/authorizer.ts";
import { readWriteOptions } from "../../../src/apiserver/query.ts";
import { forbidden, resourceAttributes } from "../../../src/apiserver/rbac.ts";
import { isTrue, readRequest, type ResourceRequest, splitUrl } from "../../../src/apiserver/request-info.ts";
import type { ApiServer } from "../../../src/apiserver/server.ts";
import type { Tokens } from "../../../src/apiserver/tokens.ts";
import type { Clock } from "../../../src/lib/clock.ts";
import { applyObject } from "./apply.ts";
import { checkBody, mediaType } from "./dialect.ts";
import type { ControllerParts } from "./controllers/tools.ts";
import type { FaultPlan } from "./faults.ts";
import type { FieldOwners } from "./owners.ts";
import { proxyToService } from "./service-proxy.ts";
import { handleSubresource } from "./subresources.ts";

export interface FrontParts {
  /** Where to listen. */
  host: string;
  tls: { cert: string; key: string; ca: string };
  clock: Clock;
  tokens: Tokens;
  authorizer: Authorizer;
  service: ApiService;
  /** The same without the count of who changed what, which apply keeps itself. */
  untracked: ApiService;
  owners: FieldOwners;
  faults: FaultPlan;
  kinds(): readonly Kind[];
  /** Where the Pods behind Services are found. */
  pods: ControllerParts;
  /** The API server that serves the kinds of now. */
  server(): ApiServer;
}

/** One request that the front answers itself. */
export interface FrontCall {
  request: IncomingMessage;
  info: ResourceRequest;
  kind: Kind;
  target: Target;
  query: URLSearchParams;
  context: RequestContext;
  body: string;
}

export interface FrontAnswer {
  status: number;
  body: unknown;
}

/** Starts it on a free port. */
export async function startFront(parts: FrontParts): Promise<{ server: Server; port: number }> {
  const server = createServer({ ...parts.tls, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    handle(parts, request, response).catch((error: unknown) => sendError(response, error));
  });
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve) => server.listen(0, parts.host, resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

async function handle(parts: FrontParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  await parts.faults.meet(request, response);
  const [path, search] = splitUrl(request.url ?? "/");
  if (path === "/version") {
    // Everybody may ask; who says who they are has to be that.
    const claims = request.headers.authorization !== undefined;
    if (claims && (await authenticate(request, parts)) === undefined) throw unauthorized();
    return send(response, { status: 200, body: { major: "1", minor: "26", gitVersion: "v1.26.5" } });
  }
  const query = new URLSearchParams(search);
  const info = readRequest(request.method ?? "GET", path, query);
  if (info?.isResource === true) {
    const kind = parts
      .kinds()
      .find((one) => one.group === info.group && one.version === info.version && one.plural === info.resource);
    if (kind?.plural === "services" && info.subresource === "proxy") {
      await authorize(parts, request, info);
      return proxyToService(parts.pods, info, { request, response });
    }
    const own = kind === undefined ? undefined : await answer(parts, { request, info, kind, query });
    if (own !== undefined) return send(response, own);
    if (kind !== undefined) checkBody(request, kind);
    nameManager(request, query);
  }
  (parts.server().app as unknown as { routing(request: IncomingMessage, response: ServerResponse): void }).routing(
    request,
    response,
  );
}

/** The field manager of who doesn't say one is the first word of its user agent. */
function nameManager(request: IncomingMessage, query: URLSearchParams): void {
  if (!["POST", "PUT", "PATCH"].includes(request.method ?? "") || query.has("fieldManager")) return;
  const [agent = ""] = (request.headers["user-agent"] ?? "unknown").split("/", 1);
  const url = request.url ?? "/";
  request.url = `${url}${url.includes("?") ? "&" : "?"}fieldManager=${encodeURIComponent(agent.slice(0, 128))}`;
}

/** Subresources that Elafros' API server doesn't have. */
const subresources: Readonly<Record<string, boolean>> = {
  "deployments/scale": true,
  "replicasets/scale": true,
  "pods/eviction": true,
  "pods/binding": true,
};

/** What the front answers itself: apply, and subresources that Elafros doesn't have. */
async function answer(
  parts: FrontParts,
  { request, info, kind, query }: Pick<FrontCall, "request" | "info" | "kind" | "query">,
): Promise<FrontAnswer | undefined> {
  const applies = request.method === "PATCH" && mediaType(request) === "application/apply-patch+yaml";
  const own = subresources[`${kind.plural}/${info.subresource}`] === true;
  if (!applies && !own) return undefined;
  const user = await authorize(parts, request, info);
  const target: Target = { kind, name: info.name };
  if (kind.namespaced) target.namespace = info.namespace;
  if (info.subresource === "status") target.subresource = "status";
  const context: RequestContext = { user, warnings: [] };
  const call: FrontCall = { request, info, kind, target, query, context, body: await readAll(request) };
  return own ? handleSubresource(parts, call) : apply(parts, call);
}

/** Who asks, and may. */
async function authorize(parts: FrontParts, request: IncomingMessage, info: ResourceRequest): Promise<UserInfo> {
  const user = await authenticate(request, parts);
  if (user === undefined) throw unauthorized();
  const question = resourceAttributes(user, info);
  if (!parts.authorizer.decide(question).allowed) throw forbidden(question);
  return user;
}

async function apply(parts: FrontParts, { target, query, context, body }: FrontCall): Promise<FrontAnswer> {
  const options = readWriteOptions(query, "PatchOptions");
  const manager = options.fieldManager ?? "";
  if (manager === "") {
    const cause = {
      reason: "FieldValueRequired",
      message: "Required value: is required for apply patch",
      field: "fieldManager",
    };
    throw new ApiError("Invalid", `PatchOptions.meta.k8s.io "" is invalid: ${cause.field}: ${cause.message}`, {
      details: { group: "meta.k8s.io", kind: "PatchOptions", causes: [cause] },
    });
  }
  const force = isTrue(query.get("force"));
  const request = { context, target, body: parseYaml(body) as unknown, manager, force, options };
  const { object, created } = await applyObject({ service: parts.untracked, owners: parts.owners }, request);
  return { status: created ? 201 : 200, body: object };
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, { status, body }: FrontAnswer, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-cache, private", ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}

function sendError(response: ServerResponse, thrown: unknown): void {
  const error = ApiError.from(thrown);
  const retry = error.details?.retryAfterSeconds;
  if (response.headersSent) response.destroy();
  else
    send(
      response,
      { status: error.code, body: error.toStatus() },
      retry === undefined ? {} : { "retry-after": String(retry) },
    );
}
