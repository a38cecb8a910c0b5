/** What is special about Namespaces: nothing is created where there is none or in one that goes, and some never go. */
import { ApiError } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Entry, Write } from "../store/store.ts";
import { isObject } from "./json.ts";
import { forbidden } from "./service-errors.ts";

/** The namespaces that are always there. */
export const standingNamespaces: readonly string[] = ["default", "build-templates"];
/** The finalizer in a namespace's `spec` that holds it until everything in it is gone. */
const namespaceFinalizer = "kubernetes";
const nameLabel = "kubernetes.io/metadata.name";
/** The name of the Namespaces' collection. */
export const namespaceCollection = "namespaces";

export function isNamespace(kind: Pick<Kind, "group" | "kind">): boolean {
  return kind.group === "" && kind.kind === "Namespace";
}

/** A new Namespace with what the server adds. */
export function newNamespace(object: KubeObject): KubeObject {
  const labels = { ...object.metadata.labels, [nameLabel]: object.metadata.name };
  return {
    ...object,
    metadata: { ...object.metadata, labels },
    spec: { finalizers: [namespaceFinalizer] },
    status: { phase: "Active" },
  } as KubeObject;
}

/** A changed Namespace: its name label and the finalizers in `spec` are the server's. */
export function changedNamespace(object: KubeObject, old: KubeObject): KubeObject {
  const labels = { ...object.metadata.labels, [nameLabel]: object.metadata.name };
  const { spec } = old as KubeObject & { spec?: unknown };
  return { ...object, metadata: { ...object.metadata, labels }, ...(spec === undefined ? {} : { spec }) };
}

/** A Namespace whose deletion begins. */
export function terminating(object: KubeObject): KubeObject {
  const { status } = object as KubeObject & { status?: unknown };
  return { ...object, status: { ...(isObject(status) ? status : {}), phase: "Terminating" } } as KubeObject;
}

/** Whether what is in the namespace still has to go. */
export function holdsContent(object: KubeObject): boolean {
  const { spec } = object as KubeObject & { spec?: { finalizers?: string[] } };
  return (spec?.finalizers ?? []).length > 0;
}

/** Refuses to delete a namespace that stands. */
export function checkDeletable(kind: Kind, name: string, standing: readonly string[]): void {
  if (isNamespace(kind) && standing.includes(name)) {
    throw forbidden(kind, name, { why: "this namespace may not be deleted" });
  }
}

/** Refuses to create `name` where its namespace is missing or goes. */
export function checkNamespace(
  kind: Kind,
  { namespace, name }: { namespace: string; name: string },
  found: Entry | undefined,
): void {
  if (found === undefined) {
    throw new ApiError("NotFound", `namespaces "${namespace}" not found`, {
      details: { name: namespace, kind: "namespaces" },
    });
  }
  if (found.value.metadata.deletionTimestamp === undefined) return;
  throw forbidden(kind, name, {
    why: `unable to create new content in namespace ${namespace} because it is being terminated`,
    causes: [
      {
        reason: "NamespaceTerminating",
        message: `namespace ${namespace} is being terminated`,
        field: "metadata.namespace",
      },
    ],
  });
}

/** The same as a condition of the write itself, so that nothing slips in between. */
export function namespaceGuard(kind: Kind, namespace: string | undefined, name: string): Write["guard"] {
  if (!kind.namespaced || namespace === undefined) return undefined;
  return (read) => checkNamespace(kind, { namespace, name }, read(namespaceCollection, namespace));
}
