/**
 * The client port: kinds are read and written through it, whether the API server is in this process, behind HTTPS, or a
 * real Kubernetes. Rejects with ApiError.
 */
import type { Kind } from "../api/meta/kind.ts";
import type {
  DeleteOptions,
  Deleted,
  ListOptions,
  PatchType,
  WatchOptions,
  WriteOptions,
} from "../api/meta/service.ts";
import type { KubeList, KubeObject, WatchEvent } from "../api/meta/types.ts";

/** Names one object. `namespace` is absent for cluster-wide kinds. */
export interface ObjectKey {
  namespace?: string;
  name: string;
}

export interface Client {
  get<T extends KubeObject>(kind: Kind<T>, key: ObjectKey): Promise<T>;
  list<T extends KubeObject>(kind: Kind<T>, options?: ListOptions & { namespace?: string }): Promise<KubeList<T>>;
  watch<T extends KubeObject>(
    kind: Kind<T>,
    options: WatchOptions & { namespace?: string; signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>>;
  /** Namespace and name are the object's own. */
  create<T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions): Promise<T>;
  /** Fails with Conflict where `metadata.resourceVersion` is stale. */
  update<T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions): Promise<T>;
  updateStatus<T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(
    kind: Kind<T>,
    key: ObjectKey,
    patch: { type: PatchType; body: unknown; subresource?: "status" },
    options?: WriteOptions,
  ): Promise<T>;
  delete<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, options?: DeleteOptions): Promise<Deleted>;
}

/** How server-side apply is done. */
interface ApplyOptions {
  /** In whose name: what this manager doesn't say any more, and nobody else says, goes. */
  fieldManager: string;
  /** Takes fields from other managers. Without it, such a field is a Conflict. */
  force?: boolean;
  dryRun?: boolean;
}

/** A client of a server that merges what several managers say of an object (server-side apply, Kubernetes). */
export interface ApplyingClient extends Client {
  /** Says how the fields that `object` has are to be, and makes the object where there is none. */
  apply<T extends KubeObject>(kind: Kind<T>, object: KubeObject, options: ApplyOptions): Promise<T>;
}
