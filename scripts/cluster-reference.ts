/** Writes docs/reference/cluster-rules.md: what a cluster's API server refuses beyond the schemas. With `--check` it fails where that file is out of date. */
import { clusterKinds, wholeSchema } from "../src/kubernetes/manifests/crds.ts";
import type { CrdSchema } from "../src/kubernetes/manifests/crd-schema.ts";
import { badObjects } from "../test/support/bad-objects.ts";
import { writeOrCheck } from "./generated-file.ts";

const text = `# Rules on a cluster

Made from the manifests by \`node scripts/cluster-reference.ts\`; don't edit it.

What the API server of a Kubernetes refuses of Elafros' kinds, besides what their schemas say ([API reference](api.md)): each row is a rule in CEL
in the CustomResourceDefinition. Names, paths, keys and quantities within lists have patterns in the schema instead, which cost nothing of what rules
may cost together. The embedded API server refuses the same objects, at the same field or in it, with a cause for each fault.

${clusterKinds
  .map((of) => {
    const rows = rules(wholeSchema(of), "");
    return `## ${of.kind.kind}\n\n| field | what it must be |\n| --- | --- |\n${rows.join("\n")}\n`;
  })
  .join("\n")}
## What only the controllers can say

A cluster's API server accepts these, and the embedded one doesn't. They are refused where the controllers judge the object.

| object | why no rule says it |
| --- | --- |
${badObjects
  .filter(({ unheld }) => unheld !== undefined)
  .map(({ title, unheld = "" }) => `| ${title} | ${unheld} |`)
  .join("\n")}
| Route: a domain under the platform's own | rules don't know it; condition \`DomainsClaimed\` tells, with \`DomainConflict\`, and it isn't served |
| Revision: a changed label \`elafros.dev/configuration\`, annotation \`elafros.dev/configurationGeneration\` | rules see the name of metadata and nothing else of it |
| Configuration, Revision, Build: annotations \`autoscaling.elafros.dev/…\` and \`elafros.dev/image\` in the object's own metadata | rules see the name of metadata and nothing else of it |
`;

await writeOrCheck(
  new URL("../docs/reference/cluster-rules.md", import.meta.url),
  text,
  "scripts/cluster-reference.ts",
);

/** One row per rule. */
function rules(schema: CrdSchema, path: string): string[] {
  const { properties = {}, items, additionalProperties } = schema;
  const own = (schema["x-kubernetes-validations"] ?? []).map(
    ({ message }) => `| \`${path}\` | ${message.replaceAll("|", "\\|").replaceAll("<", "&lt;")} |`,
  );
  return [
    ...own,
    ...Object.entries(properties).flatMap(([name, field]) => rules(field, path === "" ? name : `${path}.${name}`)),
    ...(items === undefined ? [] : rules(items, `${path}[]`)),
    ...(typeof additionalProperties === "object" ? rules(additionalProperties, `${path}{}`) : []),
  ];
}
