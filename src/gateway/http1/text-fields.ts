/** Looks fields up in the text of a head, for the few requests whose way depends on one. */

const patterns = new Map<string, RegExp>();
const mostPatterns = 1_000;

/** The value of a field in the text of a head; `name` in lower case. Lines of one name are one list (RFC 9110 §5.3). */
export function fieldIn(text: string, name: string): string | undefined {
  let value: string | undefined;
  for (const [, line = ""] of text.matchAll(patternOf(name))) {
    value = value === undefined ? line : `${value}${name === "cookie" ? "; " : ", "}${line}`;
  }
  return value;
}

function patternOf(name: string): RegExp {
  let pattern = patterns.get(name);
  if (pattern === undefined) {
    if (patterns.size === mostPatterns) patterns.clear();
    const literal = name.replaceAll(/[$*+.^|]/g, String.raw`\$&`);
    pattern = new RegExp(String.raw`^${literal}:[ \t]*(.*?)[ \t]*\r$`, "gim");
    patterns.set(name, pattern);
  }
  return pattern;
}
