/**
 * The shapes that every API object shares, as in Kubernetes (apimachinery `meta/v1`).
 */

/** A reference from a dependent to its owner; deleting the owner deletes the dependent. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Object metadata. Times are RFC 3339 in UTC with second precision. */
export interface ObjectMeta {
  name: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  /** Opaque; compared for equality only. */
  resourceVersion?: string;
  /** Grows by one whenever `spec` changes, and only then. */
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  selfLink?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
}

/** What every stored object has. Kinds extend it with `spec`, `status` or their own fields. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** A list answer. */
export interface KubeList<T> {
  apiVersion: string;
  kind: string;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number; selfLink?: string };
  items: T[];
}

export type ConditionStatus = "True" | "False" | "Unknown";

/** One entry of `status.conditions`, stored sorted by `type`. */
export interface Condition {
  type: string;
  status: ConditionStatus;
  reason?: string;
  message?: string;
  /** RFC 3339; moves only when `status` changes. */
  lastTransitionTime?: string;
  severity?: "Error" | "Warning" | "Info";
}

/** One event of a watch. `BOOKMARK` carries only `metadata.resourceVersion`; `ERROR` is thrown by clients as ApiError. */
export interface WatchEvent<T> {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  object: T;
}

/** Who makes a request, as authentication found it (Kubernetes `authentication/v1` UserInfo). */
export interface UserInfo {
  username: string;
  uid?: string;
  groups: readonly string[];
  extra?: Record<string, string[]>;
}
