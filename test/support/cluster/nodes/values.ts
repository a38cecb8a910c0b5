/** What a Pod gets from other objects: variables, files and credentials, out of Secrets, ConfigMaps and tokens. */
import { ConfigMap } from "../../../../src/api/config-map.ts";
import type { Kind } from "../../../../src/api/meta/kind.ts";
import { Secret } from "../../../../src/api/secret.ts";
import { ServiceAccount } from "../../../../src/api/service-account.ts";
import { issuer, type Tokens } from "../../../../src/apiserver/tokens.ts";
import type { RegistryAuth, VolumeFile } from "../../../../src/runtime/workloads.ts";
import { type ControllerParts, read } from "../controllers/tools.ts";
import { containerOf, expand } from "./instance-spec.ts";
import {
  type KeyItem,
  type PodVolume,
  type RealContainer,
  type RealPod,
  UnresolvedError,
  type VolumeSource,
} from "./types.ts";

export interface ValueParts extends ControllerParts {
  tokens: Tokens;
  /** Of the API server, PEM. */
  ca: string;
}

/**
 * The variables of a container in order.
 * @param of the container, by default the Pod's only one; `address` is the Pod's, where it is known
 */
export function variablesOf(
  parts: ValueParts,
  pod: RealPod,
  { container = containerOf(pod), address }: { container?: RealContainer; address?: string | undefined } = {},
): Map<string, string> {
  const variables = new Map<string, string>();
  for (const { name, value = "", valueFrom } of container.env ?? []) {
    const { secretKeyRef, configMapKeyRef, fieldRef } = valueFrom ?? {};
    const found =
      secretKeyRef !== undefined
        ? textOf(dataOf(parts, pod, { kind: Secret, ...secretKeyRef })?.get(secretKeyRef.key))
        : configMapKeyRef !== undefined
          ? textOf(dataOf(parts, pod, { kind: ConfigMap, ...configMapKeyRef })?.get(configMapKeyRef.key))
          : fieldRef !== undefined
            ? fieldOf(pod, fieldRef.fieldPath, address)
            : expand(value, variables);
    if (found !== undefined) variables.set(name, found);
    else if ((secretKeyRef ?? configMapKeyRef)?.optional !== true) {
      throw new UnresolvedError(`couldn't find key ${(secretKeyRef ?? configMapKeyRef)?.key ?? ""}`);
    }
  }
  return variables;
}

/** The files of a volume; undefined where it is an empty directory. */
export async function filesOf(parts: ValueParts, pod: RealPod, volume: PodVolume): Promise<VolumeFile[] | undefined> {
  if (volume.emptyDir !== undefined) return undefined;
  const sources = volume.projected?.sources ?? [volume];
  return (await Promise.all(sources.map((source) => sourceFiles(parts, pod, source)))).flat();
}

/** What a container finds of its ServiceAccount. */
export async function accountFiles(parts: ValueParts, pod: RealPod): Promise<VolumeFile[]> {
  const token = await sourceFiles(parts, pod, { serviceAccountToken: { path: "token" } });
  return [...token, file("ca.crt", parts.ca), file("namespace", pod.metadata.namespace ?? "")];
}

/** Credentials for its image. */
export function pullSecretsOf(parts: ValueParts, pod: RealPod): RegistryAuth[] {
  return (pod.spec.imagePullSecrets ?? []).flatMap(({ name }) => {
    const data = dataOf(parts, pod, { kind: Secret, name, optional: true });
    const text = textOf(data?.get(".dockerconfigjson")) ?? "{}";
    const { auths = {} } = JSON.parse(text) as { auths?: Record<string, { auth: string }> };
    return Object.entries(auths).map(([registry, { auth }]) => {
      const pair = Buffer.from(auth, "base64").toString("utf8");
      const colon = pair.indexOf(":");
      return { registry, username: pair.slice(0, colon), password: pair.slice(colon + 1) };
    });
  });
}

async function sourceFiles(parts: ValueParts, pod: RealPod, source: VolumeSource): Promise<VolumeFile[]> {
  const { secret, configMap, serviceAccountToken } = source;
  if (serviceAccountToken !== undefined) {
    const { audience = issuer, expirationSeconds = 3600, path } = serviceAccountToken;
    return [file(path, await tokenOf(parts, pod, { audience, expirationSeconds }))];
  }
  const named = secret ?? configMap;
  if (named === undefined) throw new Error(`Pod "${pod.metadata.name}" has a volume of a kind that isn't here`);
  const name = secret?.secretName ?? named.name ?? "";
  const kind = secret === undefined ? ConfigMap : Secret;
  const data = dataOf(parts, pod, { kind, name, optional: named.optional === true });
  if (data === undefined) return [];
  const items: KeyItem[] = named.items ?? [...data.keys()].map((key) => ({ key, path: key }));
  return items.map(({ key, path, mode = secret?.defaultMode ?? 0o644 }) => {
    const found = data.get(key);
    if (found === undefined) throw new UnresolvedError(`references non-existent ${kind.singular} key: ${key}`);
    return { path, data: found, mode };
  });
}

async function tokenOf(
  parts: ValueParts,
  { metadata, spec }: RealPod,
  { audience, expirationSeconds }: { audience: string; expirationSeconds: number },
): Promise<string> {
  const { namespace = "", name, uid = "" } = metadata;
  const account = spec.serviceAccountName ?? "default";
  const found = read(parts, ServiceAccount, `${namespace}/${account}`);
  if (found === undefined) throw new UnresolvedError(`serviceaccounts "${account}" not found`);
  const { token } = await parts.tokens.issue({
    account: { namespace, name: account, uid: found.metadata.uid ?? "" },
    audiences: [audience],
    expirationSeconds,
    bound: { kind: "Pod", name, uid },
  });
  return token;
}

/** The values of a Secret or a ConfigMap by key, base64. */
function dataOf(
  parts: ValueParts,
  pod: RealPod,
  { kind, name, optional = false }: { kind: Kind; name: string; optional?: boolean | undefined },
): Map<string, string> | undefined {
  const object = read(parts, kind, `${pod.metadata.namespace ?? ""}/${name}`) as
    | { data?: Record<string, string>; binaryData?: Record<string, string> }
    | undefined;
  if (object === undefined) {
    if (optional) return undefined;
    throw new UnresolvedError(`${kind.singular} "${name}" not found`);
  }
  const plain = Object.entries(object.data ?? {});
  const encoded = kind === Secret ? plain : plain.map(([key, text]) => [key, base64(text)] as const);
  return new Map([...encoded, ...Object.entries(object.binaryData ?? {})]);
}

function fieldOf({ metadata }: RealPod, path: string, address: string | undefined): string {
  const { name, namespace = "", uid = "" } = metadata;
  const fields: Record<string, string | undefined> = {
    "metadata.name": name,
    "metadata.namespace": namespace,
    "metadata.uid": uid,
    "status.podIP": address,
  };
  const value = fields[path];
  if (value === undefined) throw new Error(`Cannot give Pod "${name}" its field "${path}"`);
  return value;
}

function file(path: string, text: string): VolumeFile {
  return { path, data: base64(text), mode: 0o644 };
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

function textOf(data: string | undefined): string | undefined {
  return data === undefined ? undefined : Buffer.from(data, "base64").toString("utf8");
}
