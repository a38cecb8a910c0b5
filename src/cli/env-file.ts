import { readFile } from "node:fs/promises";
import { UsageError } from "./errors.ts";
import type { KeyValue } from "./options.ts";

export const envName = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/**
 * Reads lines `NAME=VALUE`. Empty lines and those that begin with `#` are skipped, a leading `export` is dropped, and a value
 * in single or double quotes loses them (in double quotes `\n`, `\t`, `\"` and `\\` mean what they do in C).
 * @param path for messages
 */
export function parseEnvFile(text: string, path: string): KeyValue[] {
  const changes: KeyValue[] = [];
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

/** The variables of an `--env-file`. */
export async function readEnvFile(path: string): Promise<KeyValue[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(
      `Cannot read --env-file "${path}": ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      {
        cause: error,
      },
    );
  }
  return parseEnvFile(text, path);
}

const escapes: Record<string, string> = { n: "\n", t: "\t", '"': '"', "\\": "\\" };

function unquote(text: string): string {
  if (/^'.*'$/.test(text)) return text.slice(1, -1);
  if (/^".*"$/.test(text)) return text.slice(1, -1).replace(/\\(.)/g, (whole, char: string) => escapes[char] ?? whole);
  return text;
}
