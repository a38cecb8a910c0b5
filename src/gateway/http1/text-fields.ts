/** Looks fields up in the text of a head, for the few requests whose way depends on one. */

const colon = ":".charCodeAt(0);

/**
 * The value of a field in the text of a head; `name` in lower case. Lines of one name are one list (RFC 9110 §5.3). Without a pattern: what it
 * costs grows with the lines, whatever stands in them.
 */
export function fieldIn(text: string, name: string): string | undefined {
  let value: string | undefined;
  // Fields begin after the first line.
  for (let at = lineAfter(text, 0); at < text.length; at = lineAfter(text, at)) {
    const from = at + name.length;
    if (text.charCodeAt(from) !== colon || text.slice(at, from).toLowerCase() !== name) continue;
    const end = text.indexOf("\r\n", from);
    const line = withoutSpace(text, from + 1, end < 0 ? text.length : end);
    value = value === undefined ? line : `${value}${name === "cookie" ? "; " : ", "}${line}`;
  }
  return value;
}

/** Where the line after the one at that place begins; the text's length where there is none. */
function lineAfter(text: string, at: number): number {
  const end = text.indexOf("\r\n", at);
  return end < 0 ? text.length : end + 2;
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
