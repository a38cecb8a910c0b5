/** CustomResourceDefinition: what is refused of one, and what it looks like once accepted. */
import { parse } from "@bufbuild/cel";
import type { Cause } from "../../../src/api/meta/errors.ts";
import { invalid } from "../../../src/api/meta/faults.ts";
import { isObject } from "../../../src/apiserver/json.ts";
import type { CrdSchema } from "../../../src/kubernetes/manifests/crd-schema.ts";
import { define, type Loose } from "./kinds/define.ts";
import { fill } from "./kinds/pod-defaults.ts";
import { conditionsStatus, open } from "./kinds/schema.ts";

export interface DefinedVersion {
  name: string;
  served: boolean;
  storage: boolean;
  schema?: { openAPIV3Schema?: CrdSchema };
  subresources?: { status?: object };
  additionalPrinterColumns?: {
    name: string;
    type: string;
    description?: string;
    jsonPath: string;
    priority?: number;
  }[];
}

export interface Definition extends Loose {
  spec: {
    group: string;
    scope: "Namespaced" | "Cluster";
    names: {
      kind: string;
      plural: string;
      singular?: string;
      listKind?: string;
      shortNames?: string[];
      categories?: string[];
    };
    versions: DefinedVersion[];
  };
}

function validate(object: Loose): Cause[] {
  const { metadata, spec } = object as Definition;
  const faults: Cause[] = [];
  if (metadata.name !== `${spec.names.plural}.${spec.group}`) {
    faults.push(invalid("metadata.name", metadata.name, 'must be spec.names.plural+"."+spec.group'));
  }
  for (const { schema } of spec.versions) {
    const root = schema?.openAPIV3Schema;
    if (root !== undefined) collectRuleFaults(root, "spec.validation.openAPIV3Schema", faults);
  }
  return faults;
}

/** Faults of rules that aren't CEL. Their types and their cost only a real API server knows (`npm run check:cluster`). */
function collectRuleFaults(schema: CrdSchema, path: string, faults: Cause[]): void {
  for (const [position, { rule }] of (schema["x-kubernetes-validations"] ?? []).entries()) {
    try {
      parse(rule);
    } catch (error) {
      const why = `compilation failed: ${error instanceof Error ? error.message : String(error)}`;
      faults.push(invalid(`${path}.x-kubernetes-validations[${position}].rule`, rule, why));
    }
  }
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    collectRuleFaults(field, `${path}.properties[${name}]`, faults);
  }
  if (schema.items !== undefined) collectRuleFaults(schema.items, `${path}.items`, faults);
  if (typeof schema.additionalProperties === "object") {
    collectRuleFaults(schema.additionalProperties, `${path}.additionalProperties`, faults);
  }
}

export const CustomResourceDefinition = define({
  group: "apiextensions.k8s.io",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  namespaced: false,
  counted: true,
  fields: { spec: open(), status: conditionsStatus },
  defaults: (object) => {
    if (!isObject(object["spec"])) object["spec"] = {};
    const { spec } = object as Definition;
    fill(spec, { conversion: { strategy: "None" } });
    const { kind } = spec.names;
    fill(spec.names, { singular: kind.toLowerCase(), listKind: `${kind}List` });
    const storedVersions = spec.versions.filter(({ storage }) => storage).map(({ name }) => name);
    fill(object, { status: { conditions: null, acceptedNames: { kind: "", plural: "" }, storedVersions } });
  },
  validate,
});
