/**
 * The roles and bindings there are, kept in memory by list and watch, so that deciding costs no read. Whoever writes one through
 * this server can wait until it counts.
 */
import type { Kind } from "../api/meta/kind.ts";
import type { ApiService, RequestContext } from "../api/meta/service.ts";
import type { KubeObject, UserInfo } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type BindingObject, mastersGroup, type RbacView, type RoleObject } from "./rbac.ts";

/** The API server itself, as it appears to its own service. */
export const systemUser: UserInfo = { username: "system:apiserver", groups: [mastersGroup, "system:authenticated"] };

export interface RbacCacheOptions {
  /** Role, ClusterRole, RoleBinding and ClusterRoleBinding. */
  kinds: readonly Kind[];
  clock: Clock;
  log: Log;
}

export interface RbacCache extends RbacView {
  /** Follows the service; resolves when all kinds were read once. */
  start(service: Pick<ApiService, "list" | "watch">): Promise<void>;
  stop(): void;
  /** Resolves when a written object counts, or after a second, should the watch be behind. */
  settled(object: KubeObject, gone: boolean): Promise<void>;
}

const retryMs = 500;
const settleMs = 1000;

/** A cache that isn't started yet. */
export function createRbacCache({ kinds, clock, log }: RbacCacheOptions): RbacCache {
  const roles = new Map<string, RoleObject>();
  const bindings = new Map<string, Map<string, BindingObject>>();
  const versions = new Map<string, string>();
  const waiting = new Set<() => void>();
  const stopping = new AbortController();
  let service: Pick<ApiService, "list" | "watch">;

  return {
    role: (namespace, name) => roles.get(`${namespace}/${name}`),
    bindings: (namespace) => bindings.get(namespace)?.values() ?? [],
    start: async (from) => {
      service = from;
      await Promise.all(kinds.map((kind) => follow(kind)));
    },
    stop: () => stopping.abort(),
    settled: (object, gone) =>
      new Promise((resolve) => {
        const uid = object.metadata.uid ?? "";
        const reached = (): boolean => {
          const seen = versions.get(uid);
          return gone
            ? seen === undefined
            : seen !== undefined && isAtLeast(seen, object.metadata.resourceVersion ?? "");
        };
        const check = (): void => {
          if (!reached()) return;
          waiting.delete(check);
          cancel();
          resolve();
        };
        const cancel = clock.after(settleMs, () => {
          waiting.delete(check);
          resolve();
        });
        waiting.add(check);
        check();
      }),
  };

  /** Lists once, then watches in the background for as long as the cache lives. */
  async function follow(kind: Kind): Promise<void> {
    const version = await relist(kind);
    void keepWatching(kind, version);
  }

  function context(): RequestContext {
    return { user: systemUser, warnings: [], signal: stopping.signal };
  }

  async function relist(kind: Kind): Promise<string> {
    const list = await service.list(context(), { kind });
    const present = new Set(list.items.map(keyOf));
    for (const object of stored(kind)) if (!present.has(keyOf(object))) remove(kind, object);
    for (const object of list.items) put(kind, object);
    notify();
    return list.metadata.resourceVersion;
  }

  async function keepWatching(kind: Kind, from: string): Promise<void> {
    let version = from;
    while (!stopping.signal.aborted) {
      try {
        for await (const event of service.watch(
          context(),
          { kind },
          { resourceVersion: version, allowBookmarks: true },
        )) {
          version = event.object.metadata.resourceVersion ?? version;
          if (event.type === "DELETED") remove(kind, event.object);
          else if (event.type !== "BOOKMARK") put(kind, event.object);
          notify();
        }
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.debug({ error, kind: kind.kind }, "Watching roles and bindings begins anew");
      }
      version = await relistUntilDone(kind, version);
    }
  }

  async function relistUntilDone(kind: Kind, last: string): Promise<string> {
    for (;;) {
      if (stopping.signal.aborted) return last;
      try {
        return await relist(kind);
      } catch (error) {
        if (stopping.signal.aborted) return last;
        log.warn({ error, kind: kind.kind }, "Cannot list roles and bindings");
        await new Promise<void>((resolve) => {
          clock.after(retryMs, resolve);
          stopping.signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    }
  }

  function stored(kind: Kind): KubeObject[] {
    const all: KubeObject[] = isBinding(kind)
      ? [...bindings.values()].flatMap((place) => [...place.values()])
      : [...roles.values()];
    return all.filter((object) => (object.metadata.namespace !== undefined) === kind.namespaced);
  }

  function put(kind: Kind, object: KubeObject): void {
    versions.set(object.metadata.uid ?? "", object.metadata.resourceVersion ?? "");
    const namespace = object.metadata.namespace ?? "";
    if (!isBinding(kind)) {
      roles.set(keyOf(object), object);
      return;
    }
    const place = bindings.get(namespace) ?? new Map<string, BindingObject>();
    place.set(object.metadata.name, object as BindingObject);
    bindings.set(namespace, place);
  }

  function remove(kind: Kind, object: KubeObject): void {
    versions.delete(object.metadata.uid ?? "");
    if (isBinding(kind)) bindings.get(object.metadata.namespace ?? "")?.delete(object.metadata.name);
    else roles.delete(keyOf(object));
  }

  function notify(): void {
    for (const check of waiting) check();
  }
}

function isBinding(kind: Kind): boolean {
  return kind.kind.endsWith("Binding");
}

function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** Versions are opaque to clients; the server knows that its store counts up. */
function isAtLeast(seen: string, wanted: string): boolean {
  return seen.length === wanted.length ? seen >= wanted : seen.length > wanted.length;
}
