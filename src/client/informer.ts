/**
 * A shared, indexed copy of a collection that follows the server, and tells of each change.
 *
 * Objects in the cache are shared by all readers: never change one, copy it first (`structuredClone`). What this process itself
 * wrote can be put in with `observed`, so that a reader sees its own writes before the watch brings them; the watch's own
 * position decides which is newer (resource versions are compared as integers, as Kubernetes allows since 1.35; where they are
 * none, `observed` does nothing).
 */
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject, WatchEvent } from "../api/meta/types.ts";
import type { ObjectKey } from "./client.ts";
import { type ReflectorOptions, startReflector } from "./reflector.ts";

/** Names an object in a cache: `namespace/name`, or `name` for cluster-wide kinds. */
export function keyOf(object: KubeObject | ObjectKey): string {
  const { namespace, name } = "metadata" in object ? object.metadata : object;
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** The parts of a `namespace/name` key. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf("/");
  return slash < 0 ? { namespace: "", name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** One change of a cached object; `old` is absent when it was added. */
export interface CacheChange<T> {
  type: "added" | "updated" | "deleted";
  object: T;
  old?: T;
}

/** Reads of the copy. Answers are shared objects: don't change them. */
interface Cache<T extends KubeObject> {
  get(key: string): T | undefined;
  list(): readonly T[];
  /** Objects for which the index of that name gave `value`. Unknown index names throw. */
  by(index: string, value: string): readonly T[];
}

export interface Informer<T extends KubeObject> extends Cache<T> {
  readonly kind: Kind<T>;
  /** Resolves after the first list. */
  readonly synced: Promise<void>;
  /** Called after each change is in the cache. Returns the unsubscribing function. */
  subscribe(listener: (change: CacheChange<T>) => void): () => void;
  /** Puts in the answer of a write of this process. */
  observed(object: T): void;
  stop(): Promise<void>;
}

export interface InformerOptions<T extends KubeObject> extends Omit<ReflectorOptions<T>, "sink"> {
  /** Index name → the values under which an object is found. */
  indexes?: Record<string, (object: T) => readonly string[]>;
}

/** Starts following a collection. */
export function startInformer<T extends KubeObject>(options: InformerOptions<T>): Informer<T> {
  const store = createStore(options.indexes ?? {});
  const listeners = new Set<(change: CacheChange<T>) => void>();
  const synced = Promise.withResolvers<void>();
  let position = 0;

  const tell = (change: CacheChange<T> | undefined) => {
    if (change === undefined) return;
    for (const listener of listeners) listener(change);
  };
  const put = (object: T) => {
    const old = store.get(keyOf(object));
    if (old !== undefined && !isNewer(object, old)) return;
    store.set(object);
    tell(old === undefined ? { type: "added", object } : { type: "updated", object, old });
  };
  const drop = (key: string) => {
    const old = store.get(key);
    if (old === undefined) return;
    store.delete(key);
    tell({ type: "deleted", object: old });
  };

  const reflector = startReflector<T>({
    ...options,
    sink: {
      replace(items, resourceVersion) {
        position = Math.max(position, versionOf(resourceVersion) ?? 0);
        const keys = new Set(items.map(keyOf));
        for (const object of store.list()) {
          const ownWrite = (versionOf(object.metadata.resourceVersion) ?? 0) > position;
          if (!keys.has(keyOf(object)) && !ownWrite) drop(keyOf(object));
        }
        for (const object of items) put(object);
        synced.resolve();
      },
      apply(event: WatchEvent<T>) {
        position = Math.max(position, versionOf(event.object.metadata.resourceVersion) ?? 0);
        if (event.type === "DELETED") drop(keyOf(event.object));
        else if (event.type !== "BOOKMARK") put(event.object);
      },
    },
  });

  return {
    kind: options.kind,
    synced: synced.promise,
    get: (key) => store.get(key),
    list: () => store.list(),
    by: (index, value) => store.by(index, value),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    observed(object) {
      const version = versionOf(object.metadata.resourceVersion);
      // What the watch has passed already, it has told: an answer that arrives later must not bring back a deleted object.
      if (version === undefined || version <= position) return;
      put(object);
    },
    stop: () => reflector.stop(),
  };
}

function versionOf(resourceVersion: string | undefined): number | undefined {
  return resourceVersion !== undefined && /^\d{1,15}$/.test(resourceVersion) ? Number(resourceVersion) : undefined;
}

function isNewer(object: KubeObject, old: KubeObject): boolean {
  const version = versionOf(object.metadata.resourceVersion);
  const oldVersion = versionOf(old.metadata.resourceVersion);
  if (version === undefined || oldVersion === undefined) {
    return object.metadata.resourceVersion !== old.metadata.resourceVersion;
  }
  return version > oldVersion;
}

function createStore<T extends KubeObject>(indexes: Record<string, (object: T) => readonly string[]>) {
  const objects = new Map<string, T>();
  const indexed = new Map(Object.keys(indexes).map((name) => [name, new Map<string, Map<string, T>>()]));

  const unindex = (key: string, object: T) => {
    for (const [name, values] of indexed) {
      for (const value of indexes[name]?.(object) ?? []) {
        const under = values.get(value);
        under?.delete(key);
        if (under?.size === 0) values.delete(value);
      }
    }
  };
  return {
    get: (key: string) => objects.get(key),
    list: (): readonly T[] => [...objects.values()],
    by(index: string, value: string): readonly T[] {
      const values = indexed.get(index);
      if (values === undefined)
        throw new RangeError(`Cannot look up by index "${index}": declare it with the informer`);
      return [...(values.get(value)?.values() ?? [])];
    },
    set(object: T) {
      const key = keyOf(object);
      const old = objects.get(key);
      if (old !== undefined) unindex(key, old);
      objects.set(key, object);
      for (const [name, values] of indexed) {
        for (const value of indexes[name]?.(object) ?? []) {
          let under = values.get(value);
          if (under === undefined) values.set(value, (under = new Map()));
          under.set(key, object);
        }
      }
    },
    delete(key: string) {
      const old = objects.get(key);
      if (old !== undefined) unindex(key, old);
      objects.delete(key);
    },
  };
}
