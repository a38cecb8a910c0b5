/**
 * The schema of a kind as a CustomResourceDefinition has it: the structural schema that the kind declares, with the rules that the API
 * server of a cluster is to hold beside it (`Overlay`), as patterns and as CEL.
 *
 * A field that Elafros refuses with a sentence stands in the schema all the same, with a rule that refuses it: left out, the cluster would drop
 * it with a warning. What is in it doesn't matter, as it is never stored, so that is the one place where unknown fields are kept.
 */
import type { Schema } from "../../api/meta/kind.ts";
import { refusedForm } from "./refused-forms.ts";

/** A rule in CEL, of the value that it stands at (`self`); the message is a sentence about it. */
export interface Rule {
  rule: string;
  message: string;
}

/** A structural schema with what only CustomResourceDefinitions have. */
export interface CrdSchema extends Omit<Schema, "properties" | "items" | "additionalProperties"> {
  properties?: Record<string, CrdSchema>;
  items?: CrdSchema;
  additionalProperties?: CrdSchema | boolean;
  nullable?: boolean;
  "x-kubernetes-validations"?: Rule[];
}

/** What is held at one place of a kind's schema. */
export interface Overlay {
  /** From the object's root: `spec.rollout.traffic[]` are the list's elements, `spec.labels{}` a map's values. */
  at: string;
  rules?: readonly Rule[];
  /** A regular expression that Go's RE2 and JavaScript read alike. It costs nothing of what CEL rules may cost together. */
  pattern?: string;
  /** Bounds of a value that may be a number or a text: texts have patterns. */
  minimum?: number;
  maximum?: number;
  /** Drops the kind's own list of values: the pattern says more. */
  anyCase?: boolean;
  /** Makes a list a set: the API server itself refuses what is there twice, at no cost. */
  set?: boolean;
}

/**
 * The schema for a cluster.
 * @throws Error where an overlay stands at a place that the schema doesn't have
 */
export function crdSchema(schema: Schema, overlays: readonly Overlay[]): CrdSchema {
  const places = new Set<string>();
  const converted = convert(schema, "", { overlays, places });
  const lost = overlays.filter(({ at }) => !places.has(at));
  if (lost.length > 0) throw new Error(`The schema has no ${lost.map(({ at }) => at).join(", ")}`);
  return converted;
}

interface Conversion {
  overlays: readonly Overlay[];
  /** The places that were found. */
  places: Set<string>;
}

function convert(schema: Schema, path: string, to: Conversion): CrdSchema {
  to.places.add(path);
  const {
    "x-elafros-refused": _refused,
    "x-elafros-dropped": dropped,
    "x-elafros-duplicate": _duplicate,
    properties,
    items,
    additionalProperties,
    ...own
  } = schema;
  // Typed clients send it as null.
  if (dropped === true) return { ...own, type: "string", maxLength: 64, nullable: true };
  const result: CrdSchema = structuredClone(own);
  if (properties !== undefined) {
    result.properties = Object.fromEntries(
      Object.entries(properties).map(([name, field]) => [name, property(field, name, path, to)]),
    );
  }
  if (items !== undefined) result.items = convert(items, `${path}[]`, to);
  if (typeof additionalProperties === "object") {
    result.additionalProperties = convert(additionalProperties, `${path}{}`, to);
  }
  for (const { at, pattern, minimum, maximum, anyCase, set } of to.overlays) {
    if (at !== path) continue;
    if (pattern !== undefined) result.pattern = pattern;
    if (minimum !== undefined) result.minimum = minimum;
    if (maximum !== undefined) result.maximum = maximum;
    if (anyCase === true) delete result.enum;
    if (set === true) result["x-kubernetes-list-type"] = "set";
  }
  const rules = [
    ...refusals(properties ?? {}),
    ...to.overlays.filter(({ at }) => at === path).flatMap(({ rules = [] }) => rules),
  ];
  if (rules.length > 0) result["x-kubernetes-validations"] = rules.map(({ rule, message }) => ({ rule, message }));
  return result;
}

function property(field: Schema, name: string, path: string, to: Conversion): CrdSchema {
  if (field["x-elafros-refused"] !== undefined) {
    return { description: field.description ?? "", ...refusedForm(name).schema };
  }
  return convert(field, path === "" ? name : `${path}.${name}`, to);
}

/** The rules of the object that refuse fields of it, one for each sentence. */
function refusals(properties: Record<string, Schema>): Rule[] {
  const bySentence = new Map<string, string[]>();
  for (const [name, field] of Object.entries(properties)) {
    const sentence = field["x-elafros-refused"];
    if (sentence !== undefined) bySentence.set(sentence, [...(bySentence.get(sentence) ?? []), name]);
  }
  return [...bySentence].map(([sentence, names]) => ({
    rule: names.map((name) => refusedForm(name).absent).join(" && "),
    message: `${names.join(", ")} can't be set: ${sentence}`,
  }));
}
