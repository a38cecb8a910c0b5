/** How kinds and objects are named: in the store, in paths and in messages. */
import { apiVersionOf } from "../api/meta/kind.ts";
import type { Kind } from "../api/meta/kind.ts";

type Named = Pick<Kind, "group" | "plural">;

/** `routes.elafros.dev`, or `pods` in the core group. Also the name of the kind's collection in the store. */
export function resourceOf({ group, plural }: Named): string {
  return group === "" ? plural : `${plural}.${group}`;
}

/** `Route.elafros.dev`, or `Pod`. */
export function typeOf({ group, kind }: Pick<Kind, "group" | "kind">): string {
  return group === "" ? kind : `${kind}.${group}`;
}

/** An object's key in its collection. */
export function keyOf(kind: Pick<Kind, "namespaced">, namespace: string | undefined, name: string): string {
  return kind.namespaced ? `${namespace ?? ""}/${name}` : name;
}

/** What the keys of a list start with. */
export function prefixOf(kind: Pick<Kind, "namespaced">, namespace: string | undefined): string {
  return kind.namespaced && namespace !== undefined ? `${namespace}/` : "";
}

/** The path of an object. */
export function selfLinkOf(kind: Kind, namespace: string | undefined, name: string): string {
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${apiVersionOf(kind)}`;
  return `${root}${kind.namespaced ? `/namespaces/${namespace ?? ""}` : ""}/${kind.plural}/${name}`;
}

/**
 * Whether a real Kubernetes would know the kind by a CRD. Those have a generation, need a resourceVersion on PUT, and tell who
 * made and changed them.
 */
export function isCustom({ group }: Pick<Kind, "group">): boolean {
  return group.includes(".") && !group.endsWith(".k8s.io");
}
