/**
 * Reads the examples' documents and compares answers with them, field by field.
 *
 * In an example `...` stands for anything, `abc`, `def`, `ghi` for generated names, and 1234, 1235, 2145 for any generation; an answer may
 * hold more than is shown, except in lists, whose order and length count (conditions are looked up by type).
 */
import { parse } from "yaml";

/** What the examples' stand-ins mean in this run: Revision names, images. */
export type Bindings = Record<string, string>;

const generations = new Set([1234, 1235, 2145]);

/** The faults of `answer` against the example's YAML; empty where it is as shown. */
export function compare(answer: unknown, example: string, bindings: Bindings): string[] {
  // A bare `...` line would be YAML's end of document.
  const text = example.replaceAll(/^\s*\.\.\.\s*(#.*)?$/gm, "");
  return differences(answer, parse(text), { path: "", bindings });
}

/** The example's document with its stand-ins filled in, as the client sends it. */
export function fill(example: string, bindings: Bindings): string {
  return Object.entries(bindings).reduce(
    (text, [name, value]) => text.replaceAll(new RegExp(String.raw`(?<=: )${escape(name)}(?=\s|$)`, "gm"), () => value),
    example.replaceAll(/^\s*\.\.\.\s*(#.*)?\n/gm, "").replaceAll(/^\s*metadata: \.\.\.\n/gm, ""),
  );
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

function differences(actual: unknown, wanted: unknown, at: { path: string; bindings: Bindings }): string[] {
  const { path, bindings } = at;
  if (wanted === null || wanted === "...") return actual === undefined ? [`${path}: missing`] : [];
  if (Array.isArray(wanted)) return listDifferences(actual, wanted, at);
  if (typeof wanted === "object") {
    if (typeof actual !== "object" || actual === null) return [`${path}: ${JSON.stringify(actual)} is no object`];
    const found = actual as Record<string, unknown>;
    return Object.entries(wanted).flatMap(([shown, value]) => {
      // "archive|manifest|repository" is one of them.
      const key = shown.split("|").find((name) => name in found) ?? shown;
      return differences(found[key], value, { path: `${path}.${key}`, bindings });
    });
  }
  if (path.endsWith("eneration") && generations.has(Number(wanted))) {
    return Number(actual) >= 1 ? [] : [`${path}: ${JSON.stringify(actual)} is no generation`];
  }
  const expected = typeof wanted === "string" ? (bindings[wanted] ?? wanted) : wanted;
  // "unquoted True, False and numbers in conditions and annotations are strings"
  const asText = path.includes(".conditions") || path.includes(".annotations");
  const same = asText ? spelled(expected) === actual : expected === actual;
  return same ? [] : [`${path}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`];
}

function spelled(value: unknown): string {
  return value === true ? "True" : value === false ? "False" : String(value);
}

function listDifferences(actual: unknown, wanted: unknown[], at: { path: string; bindings: Bindings }): string[] {
  const { path, bindings } = at;
  if (!Array.isArray(actual)) return [`${path}: ${JSON.stringify(actual)} is no list`];
  if (path.endsWith(".conditions")) {
    return wanted.flatMap((condition) => {
      const { type } = condition as { type: string };
      const found = actual.find((each: { type?: string }) => each.type === type) as unknown;
      if (found === undefined) return [`${path}: no condition "${type}"`];
      return differences(found, condition, { path: `${path}.${type}`, bindings });
    });
  }
  if (actual.length !== wanted.length) return [`${path}: ${JSON.stringify(actual)} has not ${wanted.length} entries`];
  return wanted.flatMap((each, index) => differences(actual[index], each, { path: `${path}[${index}]`, bindings }));
}
