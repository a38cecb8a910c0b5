/** The environment of an instance or of a step, with the rules of core/v1: envFrom, then env, with `$(NAME)` standing for what came before. */
import type { Container, EnvVar } from "../../api/container.ts";
import type { ObjectMeta } from "../../api/meta/types.ts";
import type { References } from "./references.ts";

export interface EnvContext {
  /** The Revision or Build, whose fields `fieldRef` can name. */
  object: { metadata: ObjectMeta; spec: { serviceAccountName?: string } };
  /** Variables that the platform sets. */
  platform: ReadonlyMap<string, string>;
  references: References;
}

/**
 * The variables in order of their first appearance; later ones have won. `platform` variables (PORT, K_*) can be referred to from
 * the start and can't be overridden.
 */
export function makeEnv(
  container: Pick<Container, "env" | "envFrom">,
  context: EnvContext,
): ReadonlyMap<string, string> {
  const { platform, references } = context;
  const env = new Map(platform);
  for (const source of container.envFrom ?? []) {
    for (const [key, value] of valuesOf(source, references)) {
      const name = `${source.prefix ?? ""}${key}`;
      // As the kubelet does: a key that can't be a variable's name is left out.
      if (isName(name)) env.set(name, value.toString("utf8"));
    }
  }
  for (const variable of container.env ?? []) {
    const value =
      variable.valueFrom === undefined ? expand(variable.value ?? "", env) : valueFrom(variable.valueFrom, context);
    if (value !== undefined) env.set(variable.name, value);
  }
  for (const [name, value] of platform) env.set(name, value);
  return env;
}

/**
 * Replaces each `$(NAME)` by its value; unknown names stay as they are, and `$$` stands for one `$` (so `$$(NAME)` is the text
 * `$(NAME)`).
 */
export function expand(text: string, env: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) =>
    name === undefined ? "$" : (env.get(name) ?? whole),
  );
}

type EnvFrom = NonNullable<Container["envFrom"]>[number];
type ValueFrom = NonNullable<EnvVar["valueFrom"]>;

function valuesOf(source: EnvFrom, references: References): Iterable<readonly [string, Buffer]> {
  const { secretRef, configMapRef } = source;
  if (secretRef !== undefined) return references.secret(secretRef.name, secretRef.optional ?? false) ?? [];
  if (configMapRef !== undefined) return references.configMap(configMapRef.name, configMapRef.optional ?? false) ?? [];
  return [];
}

function valueFrom(from: ValueFrom, { object, references }: EnvContext): string | undefined {
  const { secretKeyRef, configMapKeyRef, fieldRef } = from;
  if (fieldRef !== undefined) return fieldOf(fieldRef.fieldPath, object);
  const [kind, ref] =
    secretKeyRef === undefined ? (["ConfigMap", configMapKeyRef] as const) : (["Secret", secretKeyRef] as const);
  if (ref === undefined) return undefined;
  const optional = ref.optional ?? false;
  const values = kind === "Secret" ? references.secret(ref.name, optional) : references.configMap(ref.name, optional);
  const value = values?.get(ref.key);
  if (values !== undefined && value === undefined && !optional) {
    references.note(`couldn't find key ${ref.key} in ${kind} ${object.metadata.namespace ?? ""}/${ref.name}`);
  }
  return value?.toString("utf8");
}

/** A field that `fieldRef` can name; what the schema doesn't allow gives an empty text. */
function fieldOf(path: string, { metadata, spec }: EnvContext["object"]): string {
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (subscript !== null) {
    const map = subscript[1] === "labels" ? metadata.labels : metadata.annotations;
    return map?.[subscript[2] ?? ""] ?? "";
  }
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace ?? "";
    case "metadata.uid":
      return metadata.uid ?? "";
    case "spec.serviceAccountName":
      return spec.serviceAccountName ?? "default";
    default:
      return "";
  }
}

function isName(name: string): boolean {
  return /^[ -<>-~]+$/.test(name);
}
