/**
 * A Kubernetes API in memory for tests of what writes to one: objects of any kind with versions, generations and uids, watches, server-side
 * apply as far as one manager needs it, and every call recorded. What controllers would do, the test does.
 */
import { ApiError } from "../../src/api/meta/errors.ts";
import type { Kind } from "../../src/api/meta/kind.ts";
import type { KubeObject, WatchEvent } from "../../src/api/meta/types.ts";
import type { ClusterClient } from "../../src/kubernetes/client.ts";

type AnyKind = Pick<Kind<never>, "plural" | "kind">;

export interface MemoryCluster {
  client: ClusterClient;
  /** Writes so far, such as `apply deployments n/hello`, and lists that aren't an informer's. Cleared by whoever reads them. */
  calls: string[];
  /** Stores an object as another client or a controller would. */
  put<T extends KubeObject>(kind: Kind<T>, object: T): T;
  get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): T | undefined;
  all<T extends KubeObject>(kind: Kind<T>): T[];
  remove(kind: AnyKind, name: string, namespace?: string): void;
  /** Answers the next apply, create or patch of a kind with an error. */
  refuse(kind: AnyKind, error: ApiError): void;
  /** Watches bring nothing more until the function that comes back is called. */
  holdWatches(): () => void;
}

/** @param now when objects are made, RFC 3339; they are all of one time unless a test has a clock */
export function memoryCluster(now: () => string = () => "2026-01-01T00:00:00Z"): MemoryCluster {
  const objects = new Map<string, { object: KubeObject; managers: Set<string> }>();
  const watchers = new Set<{ plural: string; send(event: WatchEvent<KubeObject>): void }>();
  const calls: string[] = [];
  const refusals: { plural: string; error: ApiError }[] = [];
  let version = 0;
  let held: (() => void)[] | undefined;

  const idOf = (kind: AnyKind, namespace: string | undefined, name: string) =>
    `${kind.plural} ${namespace ?? ""}/${name}`;
  const tell = (kind: AnyKind, event: WatchEvent<KubeObject>) => {
    const send = () => {
      for (const watcher of watchers) if (watcher.plural === kind.plural) watcher.send(structuredClone(event));
    };
    if (held === undefined) send();
    else held.push(send);
  };
  const store = (kind: AnyKind, object: KubeObject, manager: string): KubeObject => {
    const { name, namespace } = object.metadata;
    const id = idOf(kind, namespace, name);
    const before = objects.get(id);
    const changed =
      JSON.stringify((before?.object as { spec?: unknown })?.spec) !==
      JSON.stringify((object as { spec?: unknown }).spec);
    version += 1;
    const metadata = {
      ...object.metadata,
      uid: before?.object.metadata.uid ?? object.metadata.uid ?? `uid-${version}`,
      creationTimestamp: before?.object.metadata.creationTimestamp ?? object.metadata.creationTimestamp ?? now(),
      generation: (before?.object.metadata.generation ?? 0) + (changed ? 1 : 0),
      resourceVersion: String(version),
    };
    const stored = { ...structuredClone(object), metadata };
    objects.set(id, { object: stored, managers: new Set([...(before?.managers ?? []), manager]) });
    tell(kind, { type: before === undefined ? "ADDED" : "MODIFIED", object: stored });
    return structuredClone(stored);
  };
  const remove = (kind: AnyKind, name: string, namespace: string | undefined) => {
    const id = idOf(kind, namespace, name);
    const known = objects.get(id);
    if (known === undefined) throw new ApiError("NotFound", `${kind.plural} "${name}" not found`);
    objects.delete(id);
    version += 1;
    const last = { ...known.object, metadata: { ...known.object.metadata, resourceVersion: String(version) } };
    tell(kind, { type: "DELETED", object: last });
    return last;
  };
  const all = (kind: AnyKind) =>
    [...objects].flatMap(([id, { object }]) => (id.startsWith(`${kind.plural} `) ? [structuredClone(object)] : []));
  const key = ({ namespace, name }: { namespace?: string; name: string }) => `${namespace ?? ""}/${name}`;

  const client: Partial<ClusterClient> = {
    get: (async (kind: AnyKind, { namespace, name }: { namespace?: string; name: string }) => {
      const known = objects.get(idOf(kind, namespace, name));
      if (known === undefined) throw new ApiError("NotFound", `${kind.plural} "${name}" not found`);
      return structuredClone(known.object);
    }) as unknown as ClusterClient["get"],
    list: (async (
      kind: AnyKind,
      options: { namespace?: string; labelSelector?: string; limit?: number; continue?: string } = {},
    ) => {
      if (options.namespace !== undefined) calls.push(`list ${kind.plural} ${options.namespace}`);
      const [label, value] = (options.labelSelector ?? "").split("=");
      const items = all(kind).filter(
        ({ metadata }) =>
          (options.namespace === undefined || metadata.namespace === options.namespace) &&
          (value === undefined || metadata.labels?.[label ?? ""] === value),
      );
      const from = Number(options.continue ?? 0);
      const end = from + (options.limit ?? items.length);
      const metadata = {
        resourceVersion: String(version),
        ...(end < items.length ? { continue: String(end) } : {}),
      };
      return { apiVersion: "v1", kind: `${kind.kind}List`, metadata, items: items.slice(from, end) };
    }) as unknown as ClusterClient["list"],
    watch: ((kind: AnyKind, { signal }: { signal: AbortSignal }) => {
      const queue: WatchEvent<KubeObject>[] = [];
      let wake = () => {};
      const watcher = {
        plural: kind.plural,
        send(event: WatchEvent<KubeObject>) {
          queue.push(event);
          wake();
        },
      };
      watchers.add(watcher);
      signal.addEventListener("abort", () => wake(), { once: true });
      return (async function* () {
        try {
          while (!signal.aborted) {
            const next = queue.shift();
            if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
            else yield next;
          }
        } finally {
          watchers.delete(watcher);
        }
      })();
    }) as unknown as ClusterClient["watch"],
    create: (async (kind: AnyKind, object: KubeObject) => {
      calls.push(`create ${kind.plural} ${key(object.metadata)}`);
      const refusal = refusals.findIndex(({ plural }) => plural === kind.plural);
      if (refusal >= 0) throw refusals.splice(refusal, 1)[0]?.error ?? new Error();
      const { name, namespace } = object.metadata;
      if (objects.has(idOf(kind, namespace, name)))
        throw new ApiError("AlreadyExists", `${kind.plural} "${name}" already exists`);
      return store(kind, object, "create");
    }) as unknown as ClusterClient["create"],
    apply: (async (
      kind: AnyKind,
      object: KubeObject,
      { fieldManager, force }: { fieldManager: string; force?: boolean },
    ) => {
      calls.push(`apply ${kind.plural} ${key(object.metadata)}`);
      const refusal = refusals.findIndex(({ plural }) => plural === kind.plural);
      if (refusal >= 0) throw refusals.splice(refusal, 1)[0]?.error ?? new Error();
      const before = objects.get(idOf(kind, object.metadata.namespace, object.metadata.name));
      if (before !== undefined && !before.managers.has(fieldManager) && force !== true) {
        const cause = { reason: "FieldManagerConflict", message: 'conflict with "other"', field: ".spec" };
        throw new ApiError("Conflict", "Apply failed with 1 conflict", { details: { causes: [cause] } });
      }
      if (before !== undefined && JSON.stringify(merge(before.object, object)) === JSON.stringify(before.object)) {
        return structuredClone(before.object);
      }
      return store(kind, merge(before?.object, object) as KubeObject, fieldManager);
    }) as unknown as ClusterClient["apply"],
    patch: (async (kind: AnyKind, at: { namespace?: string; name: string }, { body }: { body: unknown }) => {
      calls.push(`patch ${kind.plural} ${key(at)}`);
      const refusal = refusals.findIndex(({ plural }) => plural === kind.plural);
      if (refusal >= 0) throw refusals.splice(refusal, 1)[0]?.error ?? new Error();
      const before = objects.get(idOf(kind, at.namespace, at.name));
      if (before === undefined) throw new ApiError("NotFound", `${kind.plural} "${at.name}" not found`);
      const { resourceVersion } = (body as { metadata?: { resourceVersion?: string } }).metadata ?? {};
      if (resourceVersion !== undefined && resourceVersion !== before.object.metadata.resourceVersion) {
        throw new ApiError("Conflict", `${kind.plural} "${at.name}" has been modified`);
      }
      return store(kind, merge(before.object, body) as KubeObject, "patch");
    }) as unknown as ClusterClient["patch"],
    delete: async (kind, at) => {
      calls.push(`delete ${kind.plural} ${key(at)}`);
      return { object: remove(kind, at.name, at.namespace), gone: true };
    },
    async *podLog({ namespace, name }, options = {}) {
      calls.push(`log ${namespace}/${name} ${JSON.stringify({ ...options, signal: undefined })}`);
      yield "one";
      yield "two";
    },
  };

  return {
    client: client as ClusterClient,
    calls,
    put: (kind, object) => store(kind, object, "other") as typeof object,
    get: <T extends KubeObject>(kind: Kind<T>, name: string, namespace = "n") =>
      structuredClone(objects.get(idOf(kind, namespace, name))?.object) as T | undefined,
    all: <T extends KubeObject>(kind: Kind<T>) => all(kind) as T[],
    remove: (kind, name, namespace = "n") => void remove(kind, name, namespace),
    refuse: (kind, error) => void refusals.push({ plural: kind.plural, error }),
    holdWatches() {
      held = [];
      return () => {
        const sends = held ?? [];
        held = undefined;
        for (const send of sends) send();
      };
    },
  };
}

/** JSON merge patch (RFC 7396). */
function merge(before: unknown, change: unknown): unknown {
  if (typeof change !== "object" || change === null || Array.isArray(change)) return structuredClone(change);
  const base = typeof before === "object" && before !== null && !Array.isArray(before) ? before : {};
  const merged: Record<string, unknown> = structuredClone(base) as Record<string, unknown>;
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete merged[name];
    else merged[name] = merge(merged[name], value);
  }
  return merged;
}
