/** Everything that an installation on a cluster is, in the order in which it is applied. */
import { stringify } from "yaml";
import { clusterKinds, definition } from "./crds.ts";
import type { InstallOptions, Manifest } from "./names.ts";
import { namespaces } from "./namespaces.ts";
import { parts } from "./parts.ts";
import { access, userRoles } from "./rbac.ts";

/** The manifests: definitions of the kinds first, then what stands on them. */
export function manifests(options: InstallOptions): Manifest[] {
  return [
    ...clusterKinds.map((kind) => definition(kind)),
    ...namespaces(options),
    ...userRoles(),
    ...access(options),
    ...parts(options),
  ];
}

/** The manifests as one YAML stream. */
export function manifestsYaml(objects: readonly Manifest[]): string {
  return objects.map((object) => `---\n${stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })}`).join("");
}
