/** Kinds that are a view of something else (a Pod is a running instance): read, listed and watched like stored ones. */
import type { Kind } from "../api/meta/kind.ts";
import { apiVersionOf } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import { Collection } from "../store/collection.ts";
import { deepFreeze } from "../store/freeze.ts";
import { copyJson, equalJson } from "./json.ts";
import { keyOf, selfLinkOf } from "./service-names.ts";
import type { Source } from "./service-types.ts";

/** What shows a kind's objects. */
export interface VirtualKind {
  kind: Kind;
  /** All objects as they are now, each with name, uid, creationTimestamp, and namespace where the kind has one. The very object that was given before has not changed. */
  list(): readonly KubeObject[];
  /** Calls back after objects may have changed, as often as it likes; the returned function ends it. */
  subscribe(listener: () => void): () => void;
}

/** How many changes a watch can be behind. */
const keptChanges = 4096;

/**
 * Gives the objects revisions and a history. Revisions start at the time of day in microseconds, so that those of an earlier
 * process are always older than what this one remembers: a watch that resumes from one is told to list again.
 */
export class VirtualSource implements Source {
  readonly #provider: VirtualKind;
  readonly #collection: Collection<KubeObject>;
  #revision: number;
  #changes = 0;
  /** What was given last, by key: most of it is given again. */
  #given: ReadonlyMap<string, KubeObject> = new Map();
  #stale = true;

  constructor(provider: VirtualKind, clock: Clock) {
    this.#provider = provider;
    this.#revision = clock.now() * 1000;
    this.#collection = new Collection<KubeObject>(this.#revision);
    provider.subscribe(() => {
      if (this.#stale) return;
      this.#stale = true;
      setImmediate(() => this.#refresh());
    });
  }

  get view(): Collection<KubeObject> {
    this.#refresh();
    return this.#collection;
  }

  revision(): number {
    this.#refresh();
    return this.#revision;
  }

  /** Brings the collection to what the provider shows. */
  #refresh(): void {
    if (!this.#stale) return;
    this.#stale = false;
    const { kind } = this.#provider;
    const now = new Map(
      this.#provider.list().map((object) => [keyOf(kind, object.metadata.namespace, object.metadata.name), object]),
    );
    const before = this.#changes;
    for (const { key, value } of this.#collection.range("")) if (!now.has(key)) this.#apply(key, value, true);
    const given = this.#given;
    this.#given = now;
    for (const [key, object] of now) {
      if (given.get(key) === object) continue;
      const stored = this.#collection.get(key)?.value;
      if (stored === undefined || !equalJson(this.#shown(object, stored.metadata.resourceVersion), stored)) {
        this.#apply(key, object, false);
      }
    }
    if (this.#changes !== before) this.#collection.notify();
  }

  #shown(object: KubeObject, resourceVersion: string | undefined): KubeObject {
    const { kind } = this.#provider;
    const { namespace, name } = object.metadata;
    const metadata = { ...object.metadata, selfLink: selfLinkOf(kind, namespace, name) };
    if (resourceVersion !== undefined) metadata.resourceVersion = resourceVersion;
    return { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata };
  }

  #apply(key: string, object: KubeObject, deleted: boolean): void {
    this.#revision += 1;
    this.#changes += 1;
    const value = deepFreeze(copyJson(this.#shown(object, String(this.#revision))));
    this.#collection.apply({ key, revision: this.#revision, value, deleted });
    if (this.#changes > keptChanges) this.#collection.forget();
  }
}
