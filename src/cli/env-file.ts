import { UsageError } from "./errors.ts";
import type { KeyChange } from "./options.ts";

export const envName = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/**
 * Reads lines `NAME=VALUE`. Empty lines and those that begin with `#` are skipped, a leading `export` is dropped, and a value
 * in single or double quotes loses them (in double quotes `\n`, `\t`, `\"` and `\\` mean what they do in C).
 * @param path for messages
 */
export function parseEnvFile(text: string, path: string): Required<KeyChange>[] {
  const changes: Required<KeyChange>[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const match = /^(?:export\s+)?([^=\s]+)\s*=\s*(.*)$/.exec(line);
    const key = match?.[1] ?? "";
    if (!envName.test(key))
      throw new UsageError(`Cannot read "${path}" line ${index + 1}: it should look like NAME=VALUE`);
    changes.push({ key, value: unquote(match?.[2] ?? "") });
  }
  return changes;
}

const escapes: Record<string, string> = { n: "\n", t: "\t", '"': '"', "\\": "\\" };

function unquote(text: string): string {
  if (/^'.*'$/.test(text)) return text.slice(1, -1);
  if (/^".*"$/.test(text)) return text.slice(1, -1).replace(/\\(.)/g, (whole, char: string) => escapes[char] ?? whole);
  return text;
}
