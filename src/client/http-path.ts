import type { Kind } from "../api/meta/kind.ts";

/** The REST path of a collection, or of one object where `name` is given. */
export function pathOf(
  kind: Pick<Kind<never>, "group" | "version" | "plural" | "namespaced">,
  key: { namespace?: string | undefined; name?: string | undefined },
): string {
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope =
    kind.namespaced && key.namespace !== undefined ? `/namespaces/${encodeURIComponent(key.namespace)}` : "";
  const name = key.name === undefined || key.name === "" ? "" : `/${encodeURIComponent(key.name)}`;
  return `${root}${scope}/${kind.plural}${name}`;
}
