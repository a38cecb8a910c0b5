/**
 * YAML as Kubernetes reads it: version 1.1's scalars (`0644` is octal, `on` is true) without its times and binary, and with a
 * bound on aliases, so that a small body can't become a large one.
 */
import { parseDocument, stringify } from "yaml";

/** Tags of YAML 1.1 that Kubernetes' parser doesn't know, too: `12:30` and dates stay strings. */
const droppedTags = new Set([
  "tag:yaml.org,2002:timestamp",
  "tag:yaml.org,2002:binary",
  "tag:yaml.org,2002:omap",
  "tag:yaml.org,2002:pairs",
  "tag:yaml.org,2002:set",
]);

/** Parses one YAML (or JSON) document. Rejects with the parser's error, position included. */
export async function parseYaml(text: string): Promise<unknown> {
  // JSON is YAML; its parser is a hundred times as fast, and most bodies are JSON.
  const first = text.trimStart()[0];
  if (first === "{" || first === "[") {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // Flow-style YAML, or broken: the YAML parser says which.
    }
  }
  return parseYamlHere(text);
}

/** The same, blocking. */
export function parseYamlHere(text: string): unknown {
  const document = parseDocument(text, {
    version: "1.1",
    merge: true,
    prettyErrors: false,
    logLevel: "silent",
    uniqueKeys: false,
    customTags: (tags) =>
      tags.filter(
        (tag) => typeof tag === "string" || !(droppedTags.has(tag.tag) || ("format" in tag && tag.format === "TIME")),
      ),
  });
  const [error] = document.errors;
  if (error !== undefined) throw error;
  return document.toJS({ maxAliasCount: 50 }) as unknown;
}

/** Writes a value as YAML, keys sorted, as Kubernetes does. */
export function toYaml(value: unknown): string {
  return stringify(value, { sortMapEntries: true, lineWidth: 0, version: "1.1", aliasDuplicateObjects: false });
}
