/**
 * Finds repeated members in JSON text, which `JSON.parse` silently lets the last one win of. One pass, without recursion; the
 * text must be valid JSON.
 */

interface Level {
  /** Names seen, of an object; undefined for an array. */
  names: Set<string> | undefined;
  path: string;
  /** The member or index that the next value is of. */
  current: string;
  index: number;
}

/** The paths of repeated members, such as `spec.a` or `spec.items[0].b`, each once, at most 32. */
export function duplicateFields(text: string): string[] {
  const found = new Set<string>();
  const levels: Level[] = [];
  let expectName = false;
  for (let at = 0; at < text.length; at += 1) {
    const level = levels.at(-1);
    switch (text[at]) {
      case '"': {
        const end = stringEnd(text, at);
        if (level?.names !== undefined && expectName) {
          const raw = text.slice(at, end + 1);
          const name = raw.includes("\\") ? (JSON.parse(raw) as string) : raw.slice(1, -1);
          level.current = level.path === "" ? name : `${level.path}.${name}`;
          if (level.names.has(name) && found.size < 32) found.add(level.current);
          level.names.add(name);
          expectName = false;
        }
        at = end;
        break;
      }
      case "{":
        levels.push({ names: new Set(), path: pathOf(level), current: "", index: 0 });
        expectName = true;
        break;
      case "[":
        levels.push({ names: undefined, path: pathOf(level), current: "", index: 0 });
        expectName = false;
        break;
      case "}":
      case "]":
        levels.pop();
        expectName = false;
        break;
      case ",":
        expectName = level?.names !== undefined;
        if (level !== undefined) level.index += 1;
        break;
      default:
    }
  }
  return [...found];
}

function pathOf(level: Level | undefined): string {
  if (level === undefined) return "";
  return level.names === undefined ? `${level.path}[${level.index}]` : level.current;
}

function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 1;
}
