/** Empties Namespaces that are being deleted, then lets them go; gives every other one its `default` ServiceAccount. */
import { isReason } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { ApiService, RequestContext } from "../api/meta/service.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { RevisionMismatch } from "../store/store.ts";
import type { Entry, Store } from "../store/store.ts";
import type { Follower } from "./housekeeping-follow.ts";
import { KeyQueue } from "./housekeeping-queue.ts";
import { withRevision } from "./service-create.ts";
import { resourceOf } from "./service-names.ts";
import { isNamespace, namespaceCollection, standingNamespaces } from "./service-namespaces.ts";

export interface NamespaceOptions {
  store: Store;
  service: ApiService;
  /** The stored kinds. */
  kinds: readonly Kind[];
  context: () => RequestContext;
  clock: Clock;
  log: Log;
}

/** The ServiceAccount that every namespace has. */
const defaultAccount = "default";

export class NamespaceKeeper implements Follower {
  readonly #options: NamespaceOptions;
  readonly #queue: KeyQueue;
  readonly #contents: readonly Kind[];
  readonly #account: Kind | undefined;

  constructor(options: NamespaceOptions) {
    this.#options = options;
    this.#contents = options.kinds.filter((kind) => kind.namespaced);
    this.#account = options.kinds.find((kind) => kind.group === "" && kind.kind === "ServiceAccount");
    const { clock, log } = options;
    this.#queue = new KeyQueue({ name: "namespaces", clock, log, work: (name) => this.#look(name) });
  }

  /** Resolves when the standing namespaces and their accounts are there. */
  async start(): Promise<void> {
    const kind = this.#options.kinds.find(isNamespace);
    if (kind === undefined) return;
    for (const name of standingNamespaces) {
      await this.#create({ kind }, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
      await this.#look(name);
    }
  }

  seen(kind: Kind, object: KubeObject): void {
    if (isNamespace(kind)) this.#queue.add(object.metadata.name);
  }

  gone(kind: Kind, { metadata }: KubeObject): void {
    const { namespace, name } = metadata;
    if (namespace === undefined) return;
    const terminating = this.#namespace(namespace)?.value.metadata.deletionTimestamp !== undefined;
    if (terminating || (kind === this.#account && name === defaultAccount)) this.#queue.add(namespace);
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  #namespace(name: string): Entry | undefined {
    return this.#options.store.collection(namespaceCollection).get(name);
  }

  async #look(name: string): Promise<void> {
    const entry = this.#namespace(name);
    if (entry === undefined) return;
    if (entry.value.metadata.deletionTimestamp !== undefined) await this.#empty(name);
    else if (this.#account !== undefined) await this.#ensureAccount(name, this.#account);
  }

  async #ensureAccount(namespace: string, kind: Kind): Promise<void> {
    if (this.#options.store.collection(resourceOf(kind)).get(`${namespace}/${defaultAccount}`) !== undefined) return;
    const metadata = { name: defaultAccount, namespace };
    await this.#create({ kind, namespace }, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  }

  async #create(target: { kind: Kind; namespace?: string }, object: KubeObject): Promise<void> {
    try {
      await this.#options.service.create(this.#options.context(), target, object);
    } catch (error) {
      // It is there, or its namespace goes just now.
      if (!isReason(error, "AlreadyExists", "NotFound", "Forbidden")) throw error;
    }
  }

  async #empty(name: string): Promise<void> {
    const { service, context, store } = this.#options;
    for (const kind of this.#contents) {
      const waiting = store.collection(resourceOf(kind)).range(`${name}/`);
      if (waiting.every(({ value }) => value.metadata.deletionTimestamp !== undefined)) continue;
      await service.deleteCollection(context(), { kind, namespace: name }, { propagationPolicy: "Background" });
    }
    // Nothing new can come: creating in a terminating namespace is refused by the write itself.
    const left = this.#contents.some((kind) => store.collection(resourceOf(kind)).range(`${name}/`).length > 0);
    if (!left) await this.#finalize(name);
  }

  /** Takes the hold of its content off the namespace; it is gone unless somebody else's finalizer holds it. */
  async #finalize(name: string): Promise<void> {
    const entry = this.#namespace(name);
    if (entry === undefined) return;
    const { finalizers = [] } = entry.value.metadata;
    const object: KubeObject = { ...entry.value, spec: {} } as KubeObject;
    const write = {
      collection: namespaceCollection,
      key: name,
      action: finalizers.length > 0 ? "put" : "delete",
      expect: entry.revision,
      value: (revision: number) => withRevision(object, revision),
    } as const;
    try {
      await this.#options.store.write(write);
    } catch (error) {
      if (!(error instanceof RevisionMismatch)) throw error;
      this.#queue.add(name);
    }
  }
}
