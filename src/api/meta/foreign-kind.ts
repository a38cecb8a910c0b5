import type { Kind } from "./kind.ts";
import type { KubeObject } from "./types.ts";

/**
 * A kind that another API server serves, such as Kubernetes' own: enough of it to be read and written through a client. It has no
 * schema here, and isn't validated before it is sent.
 */
export function foreignKind<T extends KubeObject>(
  names: Pick<Kind<T>, "group" | "version" | "kind" | "plural"> & { namespaced?: boolean },
): Kind<T> {
  return {
    group: names.group,
    version: names.version,
    kind: names.kind,
    listKind: `${names.kind}List`,
    plural: names.plural,
    singular: names.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: names.namespaced ?? true,
    schema: {},
    hasStatus: true,
    names: { form: "dns1123subdomain", max: 253 },
    columns: [],
  };
}
