/**
 * What a request is about, read from its method and path as Kubernetes does: authorization, routing and errors all use this
 * one reading, so that what was allowed is what is done.
 */

/** A request on an API object, a collection of them, or a subresource. */
export interface ResourceRequest {
  isResource: true;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; empty for other methods. */
  verb: string;
  group: string;
  version: string;
  /** Empty for cluster-wide requests. */
  namespace: string;
  resource: string;
  subresource: string;
  /** Empty for collections, except where a field selector names the one object. */
  name: string;
  /** Whether the path itself names the object. */
  named: boolean;
  /** What follows the subresource (`pods/x/proxy/rest`). */
  rest: readonly string[];
  path: string;
}

/** Anything else: health, discovery, OpenAPI. `verb` is the method in lower case. */
export interface PathRequest {
  isResource: false;
  verb: string;
  path: string;
}

export type RequestInfo = ResourceRequest | PathRequest;

const objectVerbs: Record<string, string> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};
const collectionVerbs: Record<string, string> = { get: "list", delete: "deletecollection" };

/** Splits a raw path into decoded segments; undefined where a segment could leave its place or isn't valid UTF-8. */
function pathSegments(path: string): string[] | undefined {
  const raw = path.split("/").slice(1);
  if (raw.at(-1) === "") raw.pop();
  const segments: string[] = [];
  for (const part of raw) {
    let segment: string;
    try {
      segment = decodeURIComponent(part);
    } catch {
      return undefined;
    }
    // eslint-disable-next-line no-control-regex -- control characters are exactly what must not get in
    if (segment === "" || segment === "." || segment === ".." || /[/\\\u0000-\u001f\u007f]/.test(segment))
      return undefined;
    segments.push(segment);
  }
  return segments;
}

/** Reads method, raw path and query; undefined where the path isn't valid. */
export function readRequest(method: string, path: string, query: URLSearchParams): RequestInfo | undefined {
  const segments = pathSegments(path);
  if (segments === undefined) return undefined;
  const plain: PathRequest = { isResource: false, verb: method.toLowerCase(), path: `/${segments.join("/")}` };
  const [root] = segments;
  const prefix = root === "api" ? 2 : root === "apis" ? 3 : Infinity;
  if (segments.length <= prefix) return plain;
  const group = root === "api" ? "" : (segments[1] ?? "");
  const version = segments[prefix - 1] ?? "";

  let parts = segments.slice(prefix);
  let verb = objectVerbs[method] ?? "";
  const oldWatch = parts[0] === "watch" && parts.length > 1;
  if (oldWatch) parts = parts.slice(1);
  let namespace = "";
  if (parts[0] === "namespaces" && parts[1] !== undefined) {
    namespace = parts[1];
    if (parts.length > 2 && parts[2] !== "status" && parts[2] !== "finalize") parts = parts.slice(2);
  }
  const [resource = "", pathName = "", subresource = "", ...rest] = parts;
  let name = pathName;
  const named = name !== "";
  if (oldWatch) verb = "watch";
  else if (!named) {
    verb = collectionVerbs[verb] ?? verb;
    if (verb === "list" && method !== "HEAD" && isTrue(query.get("watch"))) verb = "watch";
  }
  // A source is put under its digest, and never changed.
  if (group === "build.dev" && resource === "sources" && method === "PUT") verb = "create";
  // A list narrowed to one object by name is allowed to whoever may see that name (RBAC's resourceNames).
  if (!named && (verb === "list" || verb === "watch" || verb === "deletecollection")) {
    name = /(?:^|,)metadata\.name==?([^,=!]+)(?:,|$)/.exec(query.get("fieldSelector") ?? "")?.[1] ?? "";
  }
  return {
    isResource: true,
    verb,
    group,
    version,
    namespace,
    resource,
    subresource,
    name,
    named,
    rest,
    path: plain.path,
  };
}

/** Kubernetes reads boolean query parameters so: absent, `0` and `false` are false, anything else (also empty) is true. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== "0" && value !== "false";
}

/** `routes.elafros.dev`, or `pods` for the core group. */
export function qualifiedResource(resource: string, group: string): string {
  return group === "" ? resource : `${resource}.${group}`;
}

/** Path and query of a request target. */
export function splitUrl(url: string): [string, string] {
  const at = url.indexOf("?");
  return at < 0 ? [url, ""] : [url.slice(0, at), url.slice(at + 1)];
}

/** The query of a request target. */
export function queryOf(url: string | undefined): URLSearchParams {
  return new URLSearchParams(splitUrl(url ?? "")[1]);
}
