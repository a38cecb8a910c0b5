/**
 * Owner references: what belongs to an object goes with it.
 *
 * Level-triggered: a key is looked at whenever something about it or its owners changed, and what is to be done follows from
 * what is stored now. A dependent goes when none of its owners is left; a reference to an owner that is gone, beside one that
 * is there, is taken out. An owner deleted in the foreground waits for the dependents that block it; one deleted with Orphan
 * is first forgotten by its dependents.
 */
import { isReason } from "../api/meta/errors.ts";
import { apiVersionOf } from "../api/meta/kind.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { ApiService, RequestContext, Target } from "../api/meta/service.ts";
import type { KubeObject, OwnerReference } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Store } from "../store/store.ts";
import type { Follower } from "./housekeeping-follow.ts";
import { KeyQueue } from "./housekeeping-queue.ts";
import { copyJson, equalJson } from "./json.ts";
import { foregroundFinalizer, orphanFinalizer } from "./service-delete.ts";
import { keyOf, resourceOf } from "./service-names.ts";

export interface OwnerOptions {
  store: Store;
  service: ApiService;
  /** The stored kinds. */
  kinds: readonly Kind[];
  context: () => RequestContext;
  clock: Clock;
  log: Log;
}

/** Where an owner stands: there, gone, or waiting for its dependents to go. */
type Standing = "there" | "gone" | "waiting";

export class OwnerCollector implements Follower {
  readonly #options: OwnerOptions;
  readonly #queue: KeyQueue;
  readonly #kinds: Map<string, Kind>;
  /** Ids of the dependents by the uid of their owner. */
  readonly #dependents = new Map<string, Set<string>>();
  /** Ids by uid, of objects that own something or wait for what they own. */
  readonly #ids = new Map<string, string>();

  constructor(options: OwnerOptions) {
    this.#options = options;
    this.#kinds = new Map(options.kinds.map((kind) => [resourceOf(kind), kind]));
    const { clock, log } = options;
    this.#queue = new KeyQueue({ name: "owners", clock, log, work: (id) => this.#look(id) });
  }

  seen(kind: Kind, object: KubeObject, previous: KubeObject | undefined): void {
    const id = idOf(kind, object);
    const { uid = "", ownerReferences = [], deletionTimestamp, finalizers = [] } = object.metadata;
    this.#ids.set(uid, id);
    this.#index(id, previous?.metadata.ownerReferences ?? [], ownerReferences);
    if (previous?.metadata.ownerReferences !== undefined) this.#wake(previous.metadata.ownerReferences);
    const waits = finalizers.includes(foregroundFinalizer) || finalizers.includes(orphanFinalizer);
    if (deletionTimestamp !== undefined && waits) {
      this.#queue.add(id);
      for (const dependent of this.#dependents.get(uid) ?? []) this.#queue.add(dependent);
    } else if (ownerReferences.length > 0 && !equalJson(previous?.metadata.ownerReferences, ownerReferences)) {
      this.#queue.add(id);
    }
  }

  gone(kind: Kind, object: KubeObject): void {
    const { uid = "", ownerReferences = [] } = object.metadata;
    this.#ids.delete(uid);
    this.#index(idOf(kind, object), ownerReferences, []);
    this.#wake(ownerReferences);
    for (const dependent of this.#dependents.get(uid) ?? []) this.#queue.add(dependent);
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  #index(id: string, before: readonly OwnerReference[], after: readonly OwnerReference[]): void {
    for (const { uid } of before) {
      const dependents = this.#dependents.get(uid);
      dependents?.delete(id);
      if (dependents?.size === 0) this.#dependents.delete(uid);
    }
    for (const { uid } of after) {
      const dependents = this.#dependents.get(uid) ?? new Set();
      this.#dependents.set(uid, dependents.add(id));
    }
  }

  /** Looks at the owners that may wait for this. */
  #wake(owners: readonly OwnerReference[]): void {
    for (const { uid } of owners) {
      const id = this.#ids.get(uid);
      if (id !== undefined && this.#read(id)?.object.metadata.deletionTimestamp !== undefined) this.#queue.add(id);
    }
  }

  #read(id: string): { kind: Kind; object: KubeObject; target: Target } | undefined {
    const [resource = "", key = ""] = id.split("\0");
    const kind = this.#kinds.get(resource);
    const object = this.#options.store.collection(resource).get(key)?.value;
    if (kind === undefined || object === undefined) return undefined;
    const { namespace, name } = object.metadata;
    return { kind, object, target: { kind, name, ...(namespace === undefined ? {} : { namespace }) } };
  }

  async #look(id: string): Promise<void> {
    const found = this.#read(id);
    if (found === undefined) return;
    const { object, target } = found;
    const { finalizers = [], deletionTimestamp } = object.metadata;
    try {
      if (deletionTimestamp === undefined) await this.#lookAtDependent(object, target);
      else if (finalizers.includes(orphanFinalizer)) await this.#orphan(object, target);
      else if (finalizers.includes(foregroundFinalizer)) await this.#lookAtOwner(object, target);
    } catch (error) {
      // Somebody changed or deleted it in between: another look follows from that change.
      if (!isReason(error, "Conflict", "NotFound")) throw error;
      if (isReason(error, "Conflict")) this.#queue.add(id);
    }
  }

  async #lookAtDependent(object: KubeObject, target: Target): Promise<void> {
    const { service, context } = this.#options;
    const owners = object.metadata.ownerReferences ?? [];
    const standing = owners.map((owner) => this.#standing(owner, object));
    if (owners.length === 0 || standing.every((one) => one === "there")) return;
    if (standing.includes("there")) {
      await this.#keepOwners(
        object,
        target,
        owners.filter((_, index) => standing[index] === "there"),
      );
      return;
    }
    const { uid = "", resourceVersion = "" } = object.metadata;
    const parent = this.#dependents.has(uid);
    await service.delete(context(), target, {
      preconditions: { uid, resourceVersion },
      propagationPolicy: standing.includes("waiting") && parent ? "Foreground" : "Background",
    });
  }

  #standing(owner: OwnerReference, dependent: KubeObject): Standing {
    const kind = this.#options.kinds.find((one) => one.kind === owner.kind && apiVersionOf(one) === owner.apiVersion);
    // Of a kind that isn't stored here nobody can say that it is gone.
    if (kind === undefined) return "there";
    const { namespace } = dependent.metadata;
    if (kind.namespaced && namespace === undefined) return "there";
    const found = this.#options.store.collection(resourceOf(kind)).get(keyOf(kind, namespace, owner.name))?.value;
    if (found === undefined || found.metadata.uid !== owner.uid) return "gone";
    const { deletionTimestamp, finalizers = [] } = found.metadata;
    return deletionTimestamp !== undefined && finalizers.includes(foregroundFinalizer) ? "waiting" : "there";
  }

  async #lookAtOwner(object: KubeObject, target: Target): Promise<void> {
    const { uid = "" } = object.metadata;
    for (const id of this.#dependents.get(uid) ?? []) {
      const dependent = this.#read(id)?.object;
      const blocks = dependent?.metadata.ownerReferences?.some(
        (one) => one.uid === uid && one.blockOwnerDeletion === true,
      );
      if (blocks === true) return;
    }
    await this.#release(object, target, foregroundFinalizer);
  }

  async #orphan(object: KubeObject, target: Target): Promise<void> {
    const { uid = "" } = object.metadata;
    for (const id of this.#dependents.get(uid) ?? []) {
      const dependent = this.#read(id);
      const owners = dependent?.object.metadata.ownerReferences ?? [];
      if (dependent === undefined) continue;
      await this.#keepOwners(
        dependent.object,
        dependent.target,
        owners.filter((owner) => owner.uid !== uid),
      );
    }
    await this.#release(object, target, orphanFinalizer);
  }

  async #keepOwners(object: KubeObject, target: Target, ownerReferences: OwnerReference[]): Promise<void> {
    const changed = copyJson(object);
    changed.metadata.ownerReferences = [...ownerReferences];
    await this.#options.service.update(this.#options.context(), target, changed);
  }

  async #release(object: KubeObject, target: Target, finalizer: string): Promise<void> {
    const changed = copyJson(object);
    changed.metadata.finalizers = (changed.metadata.finalizers ?? []).filter((one) => one !== finalizer);
    await this.#options.service.update(this.#options.context(), target, changed);
  }
}

function idOf(kind: Kind, { metadata }: KubeObject): string {
  return `${resourceOf(kind)}\0${keyOf(kind, metadata.namespace, metadata.name)}`;
}
