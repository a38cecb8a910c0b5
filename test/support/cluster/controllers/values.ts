/** What a Pod's variables come from, as a kubelet looks for it before it makes a container. */
import { ConfigMap } from "../../../../src/api/config-map.ts";
import { Secret } from "../../../../src/api/secret.ts";
import { type ControllerParts, read } from "./tools.ts";
import type { PodObject } from "./types.ts";

/** What isn't there, in a kubelet's words; undefined where all is. */
export function missingValue(parts: ControllerParts, { metadata, spec }: PodObject): string | undefined {
  const { namespace = "" } = metadata;
  const references = spec.containers.flatMap(({ env = [], envFrom = [] }) => [
    ...envFrom.flatMap(({ configMapRef, secretRef }) => [
      { kind: ConfigMap, called: "ConfigMap", reference: configMapRef },
      { kind: Secret, called: "Secret", reference: secretRef },
    ]),
    ...env.flatMap(({ valueFrom = {} }) => [
      { kind: ConfigMap, called: "ConfigMap", reference: valueFrom.configMapKeyRef },
      { kind: Secret, called: "Secret", reference: valueFrom.secretKeyRef },
    ]),
  ]);
  for (const { kind, called, reference } of references) {
    if (reference === undefined || reference.optional === true) continue;
    const { name = "", key } = reference;
    const found = read(parts, kind, `${namespace}/${name}`) as { data?: object; binaryData?: object } | undefined;
    if (found === undefined) return `${kind.singular} "${name}" not found`;
    if (key !== undefined && !(key in { ...found.binaryData, ...found.data })) {
      return `couldn't find key ${key} in ${called} ${namespace}/${name}`;
    }
  }
  return undefined;
}
