/**
 * The CustomResourceDefinitions of the kinds that are Elafros' own. Everything comes from the kinds' declarations: names, schema, defaults,
 * columns; the rules of `*-rules.ts` say in CEL what their validation says beyond the schema.
 */
import { BuildTemplate } from "../../api/build-template.ts";
import { Build } from "../../api/build.ts";
import { Configuration } from "../../api/configuration.ts";
import type { Kind } from "../../api/meta/kind.ts";
import { Revision } from "../../api/revision.ts";
import { Route } from "../../api/route.ts";
import { buildRules, buildTemplateRules } from "./build-rules.ts";
import { configurationRules } from "./configuration-rules.ts";
import { type CrdSchema, type Overlay, crdSchema } from "./crd-schema.ts";
import { dns1035Label } from "./forms.ts";
import { type Manifest, partOf } from "./names.ts";
import { revisionRules } from "./revision-rules.ts";
import { routeRules } from "./route-rules.ts";

/** A kind, and what a cluster holds of it beyond its schema. */
export interface ClusterKind {
  kind: Kind;
  rules: readonly Overlay[];
}

export const clusterKinds: readonly ClusterKind[] = [
  { kind: Configuration, rules: configurationRules },
  { kind: Revision, rules: revisionRules },
  { kind: Route, rules: routeRules },
  { kind: Build, rules: buildRules },
  { kind: BuildTemplate, rules: buildTemplateRules },
];

/** Of metadata, a schema may only restrict the name. DNS-1123 subdomains are what the API server wants of every name anyway. */
function nameSchema({ names }: Kind): CrdSchema {
  const form = names.form === "dns1035" ? { pattern: dns1035Label.pattern } : {};
  return { type: "object", properties: { name: { type: "string", maxLength: names.max, ...form } } };
}

/** The schema of a kind's whole object, as its CustomResourceDefinition has it. */
export function wholeSchema({ kind, rules }: ClusterKind): CrdSchema {
  const schema = crdSchema(kind.schema, rules);
  return {
    ...schema,
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: nameSchema(kind),
      ...schema.properties,
    },
  };
}

/** The CustomResourceDefinition of a kind. */
export function definition(of: ClusterKind): Manifest {
  const { kind } = of;
  const columns = kind.columns.flatMap(({ name, type, description, priority, jsonPath }) =>
    jsonPath === undefined ? [] : [{ name, type, description, jsonPath, ...(priority === 0 ? {} : { priority }) }],
  );
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${kind.group}`, labels: partOf },
    spec: {
      group: kind.group,
      scope: kind.namespaced ? "Namespaced" : "Cluster",
      names: {
        kind: kind.kind,
        listKind: kind.listKind,
        plural: kind.plural,
        singular: kind.singular,
        ...(kind.shortNames.length === 0 ? {} : { shortNames: [...kind.shortNames] }),
        categories: [...kind.categories],
      },
      versions: [
        {
          name: kind.version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: wholeSchema(of) },
          ...(kind.hasStatus ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}
