/** Writes docs/reference/api.md from the kinds' schemas. With `--check` it fails where that file is out of date. */
import { allKinds } from "../src/api/kinds.ts";
import { apiVersionOf, type Kind, type Schema } from "../src/api/meta/kind.ts";
import { writeOrCheck } from "./generated-file.ts";

const text = `# API reference

Made from the schemas by \`node scripts/api-reference.ts\`; don't edit it. \`kubectl explain\` shows the same.

Every object has \`apiVersion\`, \`kind\` and [\`metadata\`](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/) as in
Kubernetes. Fields in **bold** are required. A field that isn't built yet is refused with a sentence, never accepted and ignored.

| kind | apiVersion | plural | short | namespaced |
| --- | --- | --- | --- | --- |
${allKinds
  .map(
    (kind) =>
      `| [${kind.kind}](#${kind.kind.toLowerCase()}) | ${apiVersionOf(kind)} | ${kind.plural} | ${kind.shortNames.join(", ")} | ${kind.namespaced ? "yes" : "no"} |`,
  )
  .join("\n")}

${allKinds.map(page).join("\n")}`;

await writeOrCheck(new URL("../docs/reference/api.md", import.meta.url), text, "scripts/api-reference.ts");

function page(kind: Kind): string {
  const scope = kind.namespaced ? "/namespaces/{namespace}" : "";
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const lines = rows(kind.schema, "");
  return `## ${kind.kind}

${kind.schema.description ?? ""}

\`${root}${scope}/${kind.plural}[/{name}${kind.hasStatus ? "[/status]" : ""}]\`; names: ${namesText(kind)}.

| field | type | |
| --- | --- | --- |
${lines.join("\n")}
`;
}

function namesText({ names }: Kind): string {
  const forms = {
    dns1035: "DNS-1035 labels",
    dns1123label: "DNS-1123 labels",
    dns1123subdomain: "DNS-1123 subdomains",
    path: "path segments",
  };
  return `${forms[names.form]} of at most ${names.max} characters`;
}

/** One row per field, and below it those of the objects in it. */
function rows(schema: Schema, path: string): string[] {
  const fields = Object.entries(schema.properties ?? {}).filter(
    ([name]) => path !== "" || !["apiVersion", "kind", "metadata"].includes(name),
  );
  return fields.flatMap(([name, field]) => {
    const here = path === "" ? name : `${path}.${name}`;
    const isRequired = schema.required?.includes(name) === true;
    const label = isRequired ? `**\`${here}\`**` : `\`${here}\``;
    const inner = field.type === "array" ? field.items : field;
    const below = field.type === "array" ? `${here}[]` : here;
    return [`| ${label} | ${typeOf(field)} | ${about(field)} |`, ...(inner === undefined ? [] : rows(inner, below))];
  });
}

function typeOf(schema: Schema): string {
  if (schema["x-kubernetes-int-or-string"] === true) return "integer or string";
  if (schema.type === "array") return `list of ${typeOf(schema.items ?? {})}`;
  const { additionalProperties } = schema;
  if (typeof additionalProperties === "object") return `map of ${typeOf(additionalProperties)}`;
  return schema.type ?? "any";
}

function about(schema: Schema): string {
  const refused = schema["x-elafros-refused"];
  if (refused !== undefined) return `_Refused: ${escape(refused)}._`;
  const parts = [schema.description ?? ""];
  if (schema.enum !== undefined) parts.push(`One of ${schema.enum.map((one) => `\`${String(one)}\``).join(", ")}.`);
  if (schema.minimum !== undefined && schema.maximum !== undefined && schema.maximum < 2 ** 31 - 1) {
    parts.push(`${schema.minimum} to ${schema.maximum}.`);
  }
  if (schema.maxLength !== undefined) parts.push(`At most ${schema.maxLength} characters.`);
  if (schema.maxItems !== undefined) parts.push(`At most ${schema.maxItems}.`);
  if (schema.default !== undefined) parts.push(`Default: \`${JSON.stringify(schema.default)}\`.`);
  return escape(parts.filter((part) => part !== "").join(" "));
}

function escape(words: string): string {
  return words.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}
