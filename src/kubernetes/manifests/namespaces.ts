/** The namespaces of an installation, both at the Pod Security level `restricted`. */
import { sharedTemplates } from "../../api/build-names.ts";
import { type InstallOptions, type Manifest, partOf } from "./names.ts";

const modes = ["enforce", "audit", "warn"];

function restricted(name: string): Manifest {
  const security = Object.fromEntries(modes.map((mode) => [`pod-security.kubernetes.io/${mode}`, "restricted"]));
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { ...partOf, ...security } } };
}

/** The namespace of the controllers and gateways, and that of the templates that everybody may use. */
export function namespaces({ namespace }: InstallOptions): Manifest[] {
  return [restricted(namespace), restricted(sharedTemplates)];
}
