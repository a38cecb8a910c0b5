/** Looks fields up in the text of a head, for the few requests whose way depends on one. */

/** By name: where its lines begin. The value is taken without a pattern, whose tries would grow with the square of the spaces in it. */
const patterns = new Map<string, RegExp>();
const mostPatterns = 1_000;

/** The value of a field in the text of a head; `name` in lower case. Lines of one name are one list (RFC 9110 §5.3). */
export function fieldIn(text: string, name: string): string | undefined {
  let value: string | undefined;
  for (const { index, 0: start } of text.matchAll(patternOf(name))) {
    const from = index + start.length;
    const end = text.indexOf("\r\n", from);
    const line = withoutSpace(text, from, end < 0 ? text.length : end);
    value = value === undefined ? line : `${value}${name === "cookie" ? "; " : ", "}${line}`;
  }
  return value;
}

/** Only space and tab are space around a value (RFC 9110 §5.6.3). */
function withoutSpace(text: string, from: number, end: number): string {
  let [start, stop] = [from, end];
  while (start < stop && isSpace(text, start)) start++;
  while (stop > start && isSpace(text, stop - 1)) stop--;
  return text.slice(start, stop);
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}

function patternOf(name: string): RegExp {
  let pattern = patterns.get(name);
  if (pattern === undefined) {
    if (patterns.size === mostPatterns) patterns.clear();
    pattern = new RegExp(`^${name.replaceAll(/[$*+.^|]/g, String.raw`\$&`)}:`, "gim");
    patterns.set(name, pattern);
  }
  return pattern;
}
