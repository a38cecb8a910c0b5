/**
 * A stand-in for an API server in tests of what talks to one: HTTP on a free port, objects in memory, list with label and name
 * selectors, watch with resume, merge patches with conflicts. It knows no kinds and validates nothing.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface StubObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    resourceVersion?: string;
    generation?: number;
    labels?: Record<string, string>;
    [field: string]: unknown;
  };
  [field: string]: unknown;
}

/** One request that arrived. */
export interface StubRequest {
  method: string;
  /** With the query. */
  url: string;
  contentType: string | undefined;
  authorization: string | undefined;
  body: unknown;
}

export interface ApiStub {
  url: string;
  requests: StubRequest[];
  /** Stores an object under its collection's path, such as `/api/v1/namespaces/default/pods`, and tells watchers. */
  put(collection: string, object: StubObject): StubObject;
  read(path: string): StubObject | undefined;
  remove(path: string): void;
  /** Called after each write that came over HTTP, as a controller would be. */
  onWrite(listener: (path: string, object: StubObject) => void): void;
  /** Answers a path itself; return undefined to let the stub go on. */
  intercept(handler: (request: StubRequest) => { status: number; body: unknown; type?: string } | undefined): void;
  /** Ends all open watches. */
  dropWatches(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Watcher {
  collection: string;
  query: URLSearchParams;
  response: ServerResponse;
}

export async function startApiStub(): Promise<ApiStub> {
  const objects = new Map<string, StubObject>();
  const watchers = new Set<Watcher>();
  const history: { collection: string; type: string; object: StubObject }[] = [];
  const listeners: ((path: string, object: StubObject) => void)[] = [];
  const handlers: Parameters<ApiStub["intercept"]>[0][] = [];
  const requests: StubRequest[] = [];
  let version = 100;

  function record(collection: string, type: string, object: StubObject): void {
    history.push({ collection, type, object });
    for (const watcher of watchers) {
      if (collection === watcher.collection && selected(object, watcher.query)) send(watcher.response, type, object);
    }
  }

  function put(collection: string, object: StubObject): StubObject {
    const path = `${collection}/${object.metadata.name}`;
    const before = objects.get(path);
    version += 1;
    const specChanged = JSON.stringify(before?.["spec"]) !== JSON.stringify(object["spec"]);
    const stored = structuredClone(object);
    stored.metadata.resourceVersion = String(version);
    stored.metadata["creationTimestamp"] ??= "2018-01-19T12:16:00Z";
    stored.metadata["uid"] ??= `uid-${version}`;
    stored.metadata.generation =
      before === undefined
        ? (object.metadata.generation ?? 1)
        : (before.metadata.generation ?? 1) + (specChanged ? 1 : 0);
    objects.set(path, stored);
    record(collection, before === undefined ? "ADDED" : "MODIFIED", stored);
    return stored;
  }

  function remove(path: string): void {
    const object = objects.get(path);
    if (object === undefined) return;
    objects.delete(path);
    version += 1;
    const last = structuredClone(object);
    last.metadata.resourceVersion = String(version);
    record(path.slice(0, path.lastIndexOf("/")), "DELETED", last);
  }

  function watch(collection: string, query: URLSearchParams, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const since = Number(query.get("resourceVersion") ?? 0);
    for (const entry of history) {
      if (
        entry.collection === collection &&
        Number(entry.object.metadata.resourceVersion) > since &&
        selected(entry.object, query)
      ) {
        send(response, entry.type, entry.object);
      }
    }
    const watcher = { collection, query, response };
    watchers.add(watcher);
    response.on("close", () => watchers.delete(watcher));
  }

  function answer(request: StubRequest, url: URL, response: ServerResponse): void {
    const path = url.pathname;
    const write = (object: StubObject, status = 200) => {
      json(response, status, object);
      for (const listener of listeners) listener(path, object);
    };
    const isCollection =
      /\/(configurations|routes|revisions|builds|buildtemplates|configmaps|secrets|events|pods)$/.test(path);
    const existing = objects.get(path);
    if (request.method === "GET" && isCollection) {
      if (url.searchParams.get("watch") === "true") watch(path, url.searchParams, response);
      else
        json(response, 200, {
          kind: "List",
          apiVersion: "v1",
          metadata: { resourceVersion: String(version) },
          items: listOf(path, url.searchParams),
        });
    } else if (request.method === "POST" && isCollection) {
      const object = request.body as StubObject;
      const target = `${path}/${object.metadata.name}`;
      if (objects.has(target)) failure(response, 409, "AlreadyExists", `"${object.metadata.name}" already exists`);
      else write(put(path, object), 201);
    } else if (existing === undefined) {
      failure(response, 404, "NotFound", `${path.split("/").at(-2) ?? ""} "${path.split("/").at(-1) ?? ""}" not found`);
    } else if (request.method === "GET") json(response, 200, existing);
    else if (request.method === "DELETE") {
      remove(path);
      json(response, 200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" });
    } else if (request.method === "PATCH") {
      if (request.contentType !== "application/merge-patch+json")
        failure(response, 415, "UnsupportedMediaType", "only merge patches");
      else {
        const patch = request.body as { metadata?: { resourceVersion?: string } };
        const wanted = patch.metadata?.resourceVersion;
        if (wanted !== undefined && wanted !== existing.metadata.resourceVersion)
          failure(response, 409, "Conflict", "the object has been modified");
        else write(put(path.slice(0, path.lastIndexOf("/")), merge(existing, patch) as StubObject));
      }
    } else failure(response, 405, "MethodNotAllowed", request.method);
  }

  function listOf(path: string, query: URLSearchParams): StubObject[] {
    return [...objects]
      .filter(([key, object]) => key.slice(0, key.lastIndexOf("/")) === path && selected(object, query))
      .map(([, object]) => object);
  }

  const server = createServer((incoming, response) => {
    void readBody(incoming).then((body) => {
      const url = new URL(incoming.url ?? "/", "http://stub");
      const request: StubRequest = {
        method: incoming.method ?? "",
        url: incoming.url ?? "",
        contentType: incoming.headers["content-type"],
        authorization: incoming.headers.authorization,
        body,
      };
      requests.push(request);
      for (const handler of handlers) {
        const own = handler(request);
        if (own !== undefined) {
          response.writeHead(own.status, { "content-type": own.type ?? "application/json" });
          response.end(typeof own.body === "string" ? own.body : JSON.stringify(own.body));
          return undefined;
        }
      }
      answer(request, url, response);
      return undefined;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    put,
    read: (path) => objects.get(path),
    remove,
    onWrite: (listener) => void listeners.push(listener),
    intercept: (handler) => void handlers.push(handler),
    dropWatches: () => {
      for (const watcher of watchers) watcher.response.end();
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function selected(object: StubObject, query: URLSearchParams): boolean {
  const labels = (query.get("labelSelector") ?? "").split(",").filter((part) => part !== "");
  const fields = (query.get("fieldSelector") ?? "").split(",").filter((part) => part !== "");
  return (
    labels.every((part) => {
      if (part.startsWith("!")) return object.metadata.labels?.[part.slice(1)] === undefined;
      const [, name = "", operator, value] = /^([^!=]+)(!?=)(.*)$/.exec(part) ?? [];
      return (object.metadata.labels?.[name] === value) === (operator === "=");
    }) && fields.every((part) => String(fieldOf(object, part.split("=")[0] ?? "")) === part.split("=")[1])
  );
}

function fieldOf(object: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object);
}

function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  if (request.headers["content-type"] === "application/octet-stream") return body;
  const text = body.toString("utf8");
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function failure(response: ServerResponse, code: number, reason: string, message: string): void {
  json(response, code, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", reason, code, message });
}

function send(response: ServerResponse, type: string, object: StubObject): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}
