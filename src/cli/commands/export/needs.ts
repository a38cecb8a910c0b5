/** What else of its namespace a service needs: named, not looked at. */
import type { RevisionSpec, Route, ServiceAccount } from "../../objects.ts";

export interface Needs {
  secrets: string[];
  configMaps: string[];
}

/** The Secrets and ConfigMaps that a Revision's spec, its service account and its Route name, each once and in order of their names. */
export function needsOf(spec: RevisionSpec, account: ServiceAccount | undefined, route: Route | undefined): Needs {
  const secrets = new Set<string>();
  const configMaps = new Set<string>();
  const { container, volumes = [], imagePullSecrets = [] } = spec;
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.secretKeyRef !== undefined) secrets.add(valueFrom.secretKeyRef.name);
    if (valueFrom?.configMapKeyRef !== undefined) configMaps.add(valueFrom.configMapKeyRef.name);
  }
  for (const { secretRef, configMapRef } of container.envFrom ?? []) {
    if (secretRef !== undefined) secrets.add(secretRef.name);
    if (configMapRef !== undefined) configMaps.add(configMapRef.name);
  }
  for (const { secret, configMap, projected } of volumes) {
    if (secret !== undefined) secrets.add(secret.secretName);
    if (configMap !== undefined) configMaps.add(configMap.name);
    for (const source of projected?.sources ?? []) {
      if (source.secret !== undefined) secrets.add(source.secret.name);
      if (source.configMap !== undefined) configMaps.add(source.configMap.name);
    }
  }
  for (const { name } of [...imagePullSecrets, ...(account?.imagePullSecrets ?? [])]) secrets.add(name);
  for (const { secretName } of route?.spec.tls ?? []) secrets.add(secretName);
  return { secrets: [...secrets].toSorted(), configMaps: [...configMaps].toSorted() };
}
