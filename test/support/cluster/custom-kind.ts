/** Custom resources: from a CustomResourceDefinition to a kind that the API machinery serves as Kubernetes does. */
import type { Cause } from "../../../src/api/meta/errors.ts";
import type { AdmissionContext, Kind, PrinterColumn } from "../../../src/api/meta/kind.ts";
import { objectSchema } from "../../../src/api/meta/object-schema.ts";
import { validateSchema } from "../../../src/api/meta/schema-validation.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";
import { isObject } from "../../../src/apiserver/json.ts";
import type { CrdSchema } from "../../../src/kubernetes/manifests/crd-schema.ts";
import { ruleFaults, rulesBlocked } from "../crd.ts";
import type { DefinedVersion, Definition } from "./definition-kind.ts";

/** The kinds that a definition brings, one for each version that is served. */
export function customKinds({ spec }: Definition): Kind[] {
  return spec.versions.filter(({ served }) => served).map((version) => customKind(spec, version));
}

function customKind({ group, scope, names }: Definition["spec"], version: DefinedVersion): Kind {
  const whole: CrdSchema = version.schema?.openAPIV3Schema ?? {};
  const { apiVersion: _, kind: __, metadata, ...fields } = whole.properties ?? {};
  const kind: Kind = {
    group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === "Namespaced",
    exactNames: true,
    schema: { ...whole, properties: fields },
    hasStatus: version.subresources?.status !== undefined,
    names: { form: "dns1123subdomain", max: 253 },
    columns: columnsOf(version),
  };
  const faults = (object: KubeObject, { old }: AdmissionContext<KubeObject>): Cause[] => {
    const named = metadata === undefined ? [] : validateSchema(metadata, nameOf(object), "metadata");
    const schemaFaults = [...validateSchema(objectSchema(kind), object), ...named];
    if ((object.metadata.name ?? "") === "")
      schemaFaults.push({ reason: "FieldValueRequired", message: "", field: "" });
    return [...named, ...(rulesBlocked(schemaFaults) ?? ruleFaults(whole, object, old))];
  };
  return { ...kind, validate: faults };
}

/** Of metadata, a definition's schema may only restrict the name. */
function nameOf({ metadata: { name } }: KubeObject): object {
  return name === undefined ? {} : { name };
}

/** The column of a definition that names none. */
const age: NonNullable<DefinedVersion["additionalPrinterColumns"]>[number] = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
};

function columnsOf({ additionalPrinterColumns }: DefinedVersion): PrinterColumn<KubeObject>[] {
  return (additionalPrinterColumns ?? [age]).map((column) => ({
    name: column.name,
    type: column.type as PrinterColumn<KubeObject>["type"],
    description: column.description ?? "",
    priority: column.priority === 1 ? 1 : 0,
    jsonPath: column.jsonPath,
    value: (object) => read(object, column.jsonPath),
  }));
}

/** Reads a path of the forms that columns have: `.a.b`, and `.a[?(@.type=='X')].b`. */
function read(object: unknown, path: string): string | number | boolean | undefined {
  let at = object;
  for (const [, name, key, value] of path.matchAll(/\.([\w-]+)|\[\?\(@\.(\w+)==['"]([^'"]*)['"]\)\]/g)) {
    if (name !== undefined) at = isObject(at) ? at[name] : undefined;
    else at = Array.isArray(at) ? at.find((one) => isObject(one) && one[key ?? ""] === value) : undefined;
  }
  return typeof at === "string" || typeof at === "number" || typeof at === "boolean" ? at : undefined;
}
