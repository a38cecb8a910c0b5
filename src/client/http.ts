/**
 * The client port over HTTPS: the same calls as in process, against the embedded API server or a Kubernetes one.
 */
import type { IncomingMessage } from "node:http";
import { ApiError } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { Deleted, PatchType, WriteOptions } from "../api/meta/service.ts";
import type { KubeList, KubeObject, WatchEvent } from "../api/meta/types.ts";
import { systemClock } from "../lib/clock.ts";
import type { ApplyingClient } from "./client.ts";
import { UnreachableError, unreachable } from "./http-errors.ts";
import { pathOf } from "./http-path.ts";
import { createTransport, type HttpRequest, type TransportOptions, watchdog } from "./http-transport.ts";
import type { Connection } from "./kubeconfig.ts";
import { readLines } from "./lines.ts";

export { UnreachableError } from "./http-errors.ts";

interface HttpAnswer {
  status: number;
  headers: IncomingMessage["headers"];
  text: string;
}

/** What to read of a container's output. */
interface PodLogOptions {
  follow?: boolean;
  tailLines?: number;
  sinceSeconds?: number;
  timestamps?: boolean;
  previous?: boolean;
  container?: string;
  signal?: AbortSignal;
}

export interface HttpClient extends ApplyingClient {
  /** Any exchange; the answer whatever its status. Rejects with ApiError only where the server can't be reached. */
  request(request: HttpRequest): Promise<HttpAnswer>;
  /** Output lines of a Pod, without their line ends. */
  podLog(key: { namespace: string; name: string }, options?: PodLogOptions): AsyncIterable<string>;
  /** Closes kept connections. */
  close(): void;
}

const patchTypes: Record<PatchType, string> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
};

/** A client of the server that `connection` names. Warnings of answers go to `onWarning`; see `TransportOptions` for the others. */
export function httpClient(
  connection: Connection,
  options: TransportOptions & { onWarning?: (text: string) => void } = {},
): HttpClient {
  const { clock = systemClock } = options;
  const transport = createTransport(connection, options);

  /** The text of an answer. A server that stands still in the middle of it is as good as away. */
  async function whole(response: IncomingMessage): Promise<string> {
    const stop = () => response.destroy(Object.assign(new Error("no more of the answer"), { code: "ETIMEDOUT" }));
    const silent = watchdog(clock, stop);
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of response) {
        silent.heard();
        chunks.push(chunk as Buffer);
      }
      return Buffer.concat(chunks).toString("utf8");
    } catch (error) {
      throw unreachable(error, connection);
    } finally {
      silent.stop();
    }
  }

  async function request(what: HttpRequest): Promise<HttpAnswer> {
    const response = await transport.send(what);
    const text = await whole(response);
    for (const warning of warningsOf(response)) options.onWarning?.(warning);
    return { status: response.statusCode ?? 0, headers: response.headers, text };
  }

  async function call<R>(what: HttpRequest): Promise<R> {
    const answer = await request(what);
    const body = parse(answer);
    if (answer.status >= 300) throw ApiError.fromStatus(answer.status, body);
    return body as R;
  }

  async function* stream(what: HttpRequest): AsyncGenerator<string> {
    const response = await transport.send(what);
    if ((response.statusCode ?? 0) >= 300) {
      const text = await whole(response);
      throw ApiError.fromStatus(response.statusCode ?? 0, parse({ headers: response.headers, text }));
    }
    try {
      yield* readLines(response);
    } catch (error) {
      if (what.signal?.aborted !== true) throw unreachable(error, connection);
    } finally {
      response.destroy();
    }
  }

  return {
    request,
    close: () => transport.close(),
    get: (kind, key) => call({ method: "GET", path: pathOf(kind, key) }),
    list: async (kind, listOptions = {}) => {
      const { namespace, ...query } = listOptions;
      const list = await call<KubeList<never>>({ method: "GET", path: pathOf(kind, { namespace }), query });
      return { ...list, items: (list.items ?? []).map((item) => typed(kind, item)) };
    },
    async *watch<T extends KubeObject>(
      kind: Kind<T>,
      { namespace, signal, allowBookmarks, ...more }: Parameters<ApplyingClient["watch"]>[1],
    ) {
      const path = pathOf(kind, { namespace });
      const query = { ...more, allowWatchBookmarks: allowBookmarks, watch: true };
      for await (const line of stream({ method: "GET", path, query, signal })) {
        if (line !== "") yield watchEvent<T>(line);
      }
    },
    create: (kind, object, writing) =>
      call({
        method: "POST",
        path: pathOf(kind, { namespace: object.metadata.namespace }),
        query: writeQuery(writing),
        body: object,
      }),
    update: (kind, object, writing) =>
      call({ method: "PUT", path: pathOf(kind, object.metadata), query: writeQuery(writing), body: object }),
    updateStatus: (kind, object, writing) =>
      call({
        method: "PUT",
        path: `${pathOf(kind, object.metadata)}/status`,
        query: writeQuery(writing),
        body: object,
      }),
    patch: (kind, key, patch, writing) =>
      call({
        method: "PATCH",
        path: pathOf(kind, key) + (patch.subresource === undefined ? "" : `/${patch.subresource}`),
        query: writeQuery(writing),
        headers: { "content-type": patchTypes[patch.type] },
        body: patch.body,
      }),
    apply: (kind, object, { fieldManager, force, dryRun }) =>
      call({
        method: "PATCH",
        path: pathOf(kind, object.metadata),
        query: { fieldManager, force, dryRun: dryRun === true ? "All" : undefined },
        headers: { "content-type": "application/apply-patch+yaml" },
        // JSON is YAML.
        body: object,
      }),
    delete: async (kind, key, { dryRun, ...deleting } = {}) =>
      deleted(
        await call<KubeObject>({
          method: "DELETE",
          path: pathOf(kind, key),
          query: { dryRun: dryRun === true ? "All" : undefined },
          body: { apiVersion: "v1", kind: "DeleteOptions", ...deleting },
        }),
      ),
    podLog: ({ namespace, name }, { signal, ...query } = {}) =>
      stream({
        method: "GET",
        path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/log`,
        query,
        headers: { accept: "*/*" },
        ...(signal === undefined ? {} : { signal }),
      }),
  };
}

/** Items of lists come without `kind` and `apiVersion` from Kubernetes. */
function typed<T extends KubeObject>(kind: Kind<T>, item: KubeObject): T {
  const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
  return { ...item, apiVersion: item.apiVersion ?? apiVersion, kind: item.kind ?? kind.kind } as T;
}

function watchEvent<T>(line: string): WatchEvent<T> {
  const event = JSON.parse(line) as { type: WatchEvent<T>["type"] | "ERROR"; object: T & { code?: number } };
  if (event.type === "ERROR") throw ApiError.fromStatus(event.object.code ?? 500, event.object);
  return { type: event.type, object: event.object };
}

/** Kubernetes answers a delete with a Status once the object is gone, with the object where finalizers keep it. */
function deleted(answer: KubeObject & { status?: unknown }): Deleted {
  const gone = answer.kind === "Status" || answer.metadata.deletionTimestamp === undefined;
  return { object: answer, gone };
}

function writeQuery(options: WriteOptions | undefined): NonNullable<HttpRequest["query"]> {
  return {
    dryRun: options?.dryRun === true ? "All" : undefined,
    fieldValidation: options?.fieldValidation,
    fieldManager: options?.fieldManager,
  };
}

function parse(answer: Pick<HttpAnswer, "headers" | "text">): unknown {
  const type = answer.headers["content-type"] ?? "";
  if (!type.includes("json")) return answer.text.trim();
  try {
    return JSON.parse(answer.text) as unknown;
  } catch {
    return answer.text.trim();
  }
}

/** The texts of `Warning: 299 - "…"` headers (RFC 7234 §5.5, as Kubernetes uses it). */
function warningsOf(response: IncomingMessage): string[] {
  const header = response.headers["warning"];
  if (typeof header !== "string") return [];
  return [...header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map((match) => (match[1] ?? "").replace(/\\(.)/g, "$1"));
}

/** Whether `error` says that the server can't be reached, rather than that it refused. */
export function isUnreachable(error: unknown): error is UnreachableError {
  return error instanceof UnreachableError;
}
