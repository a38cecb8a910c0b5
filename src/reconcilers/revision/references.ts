/**
 * Secrets and ConfigMaps that a Revision or Build refers to, looked up with the rules of core/v1: what is missing and not optional is
 * noted as a problem, in the words of Kubernetes, and the rest goes on, so that one answer names every missing thing.
 */
import type { ConfigMap } from "../../api/config-map.ts";
import type { Secret } from "../../api/secret.ts";

/** What can be looked up: objects of its namespace, by name. */
export interface ReferenceSource {
  namespace: string;
  secret(name: string): Secret | undefined;
  configMap(name: string): ConfigMap | undefined;
}

/** A key's value as bytes. */
export type Values = ReadonlyMap<string, Buffer>;

/** Looks things up and notes what is missing. */
export interface References {
  /** Sentences, one for each missing thing. */
  readonly problems: readonly string[];
  /** All values, or undefined where the object is missing (noted unless optional). */
  secret(name: string, optional: boolean): Values | undefined;
  configMap(name: string, optional: boolean): Values | undefined;
  note(problem: string): void;
}

/** A fresh look at `source`. */
export function createReferences(source: ReferenceSource): References {
  const problems: string[] = [];
  const note = (problem: string) => {
    if (!problems.includes(problem)) problems.push(problem);
  };
  return {
    problems,
    note,
    secret(name, optional) {
      const secret = source.secret(name);
      if (secret === undefined) {
        if (!optional) note(`secret "${name}" not found`);
        return undefined;
      }
      return new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, "base64")]));
    },
    configMap(name, optional) {
      const configMap = source.configMap(name);
      if (configMap === undefined) {
        if (!optional) note(`configmap "${name}" not found`);
        return undefined;
      }
      return new Map([
        ...Object.entries(configMap.data ?? {}).map(([key, value]) => [key, Buffer.from(value, "utf8")] as const),
        ...Object.entries(configMap.binaryData ?? {}).map(
          ([key, value]) => [key, Buffer.from(value, "base64")] as const,
        ),
      ]);
    },
  };
}
