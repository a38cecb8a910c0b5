/**
 * The API's operations without a transport. The API server implements it once; HTTP handlers and the in-process client both
 * call it, so both go through the same authorization, admission, validation and errors.
 */
import type { Kind } from "./kind.ts";
import type { KubeList, KubeObject, UserInfo, WatchEvent } from "./types.ts";

export type FieldValidation = "Strict" | "Warn" | "Ignore";
export type PatchType = "json" | "merge" | "strategic";
export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/** Who asks, and what is said back besides the answer. */
export interface RequestContext {
  user: UserInfo;
  /** Texts for the `Warning` header (RFC 9110 code 299), filled in by the operation. */
  warnings: string[];
  /** Aborted when the client has gone. */
  signal?: AbortSignal;
}

/** The object or collection that an operation is about. `namespace` is absent for cluster-wide kinds and lists across namespaces. */
export interface Target {
  kind: Kind;
  namespace?: string;
  name?: string;
  subresource?: "status";
}

export interface WriteOptions {
  dryRun?: boolean;
  fieldValidation?: FieldValidation;
  fieldManager?: string;
  /**
   * What decoding the body found, as Kubernetes words it: `duplicate field "spec.a"`. Treated like unknown fields: refused
   * with Strict, a warning with Warn.
   */
  decodeFaults?: readonly string[];
}

export interface ListOptions {
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: "Exact" | "NotOlderThan";
}

export interface WatchOptions {
  labelSelector?: string;
  fieldSelector?: string;
  /** Absent or `0`: starts with an ADDED event for everything there is. Otherwise resumes after it, or fails with `Expired`. */
  resourceVersion?: string;
  allowBookmarks?: boolean;
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
}

export interface DeleteOptions {
  preconditions?: { uid?: string; resourceVersion?: string };
  propagationPolicy?: "Background" | "Foreground" | "Orphan";
  gracePeriodSeconds?: number;
  dryRun?: boolean;
}

/** What a delete did: the object went, or it stays until its finalizers are gone. */
export interface Deleted {
  object: KubeObject;
  gone: boolean;
}

/**
 * All operations reject with ApiError. Single objects that come back are copies of the caller's own. Items of lists and objects
 * of watch events are shared and deeply frozen: they may be kept, and must be copied before they are changed.
 */
export interface ApiService {
  /** `body` is the decoded request body: any JSON value; field names may differ in case. */
  create(context: RequestContext, target: Target, body: unknown, options?: WriteOptions): Promise<KubeObject>;
  get(context: RequestContext, target: Target): Promise<KubeObject>;
  list(context: RequestContext, target: Target, options?: ListOptions): Promise<KubeList<KubeObject>>;
  /** The stream ends by itself at `timeoutSeconds`, when `signal` aborts, or throws `Expired` where it can't go on. */
  watch(context: RequestContext, target: Target, options?: WatchOptions): AsyncIterable<WatchEvent<KubeObject>>;
  update(context: RequestContext, target: Target, body: unknown, options?: WriteOptions): Promise<KubeObject>;
  patch(
    context: RequestContext,
    target: Target,
    patch: { type: PatchType; body: unknown },
    options?: WriteOptions,
  ): Promise<KubeObject>;
  delete(context: RequestContext, target: Target, options?: DeleteOptions): Promise<Deleted>;
  deleteCollection(
    context: RequestContext,
    target: Target,
    options?: ListOptions & DeleteOptions,
  ): Promise<KubeList<KubeObject>>;
}
