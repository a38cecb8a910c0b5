/**
 * What a JavaScript or TypeScript module exports, as far as its text tells without running it: running a stranger's module to look at it would do
 * whatever it does.
 */

export interface ModuleExports {
  /** Named exports, in order. */
  names: string[];
  /** Whether it has a default export, or `module.exports` is something that isn't an object literal. */
  default: boolean;
  /** Names registered with the Functions Framework (`functions.http("name", …)`). */
  registered: string[];
  /** It exports more than the text tells: `export *`, `module.exports = require(…)`. */
  open: boolean;
}

/** Reads the exports out of a module's text. */
export function moduleExports(text: string): ModuleExports {
  const code = withoutComments(text);
  const names = new Set<string>();
  let hasDefault = false;
  let open = false;
  const each = (pattern: RegExp, found: (match: RegExpExecArray) => void) => {
    for (const match of code.matchAll(pattern)) found(match);
  };
  each(/(?:^|[\s;,=(])(?:module\.)?exports\.([A-Za-z_$][\w$]*)\s*=(?!=)/gu, (match) => names.add(match[1] ?? ""));
  each(/(?:^|[\s;,=(])module\.exports\s*=(?!=)\s*(\{|require\s*\()?/gu, (match) => {
    const end = match.index + match[0].length;
    if (match[1] === "{") for (const name of literalNames(code.slice(end))) names.add(name);
    else if (match[1] === undefined) hasDefault = true;
    else open = true;
  });
  each(/^\s*export\s+(?:async\s+)?(?:function\s*\*?|const|let|var|class)\s*([A-Za-z_$][\w$]*)/gmu, (match) =>
    names.add(match[1] ?? ""),
  );
  each(/^\s*export\s*\{([^}]*)\}/gmu, (match) => {
    for (const item of (match[1] ?? "").split(",")) {
      const name = /(?:\bas\s+)?([A-Za-z_$][\w$]*)\s*$/u.exec(item.trim())?.[1];
      if (name === "default") hasDefault = true;
      else if (name !== undefined && !/^type\s/u.test(item.trim())) names.add(name);
    }
  });
  each(/^\s*export\s+default\b/gmu, () => (hasDefault = true));
  each(
    /^\s*export\s*\*|Object\.(?:assign|defineProperty)\(\s*(?:module\.)?exports\b(?!\s*,\s*["']__esModule)/gmu,
    () => (open = true),
  );
  names.delete("default");
  names.delete("__esModule");
  return { names: [...names], default: hasDefault, registered: registeredNames(code), open };
}

/** The keys of an object literal whose text starts after its `{`, up to where they stop being plain. */
function literalNames(text: string): string[] {
  const names: string[] = [];
  let depth = 0;
  let key = "";
  const take = () => {
    const name = /^\s*(?:async\s+)?(?:["']?)([A-Za-z_$][\w$]*)(?:["']?)\s*(?:[:(]|$)/u.exec(key)?.[1];
    if (name !== undefined) names.push(name);
    key = "";
  };
  for (const letter of text) {
    if (depth === 0 && (letter === "," || letter === "}")) take();
    else if (depth === 0) key += letter;
    if ("{[(".includes(letter)) depth += 1;
    if ("}])".includes(letter)) depth -= 1;
    if (depth < 0) break;
  }
  return names;
}

function registeredNames(code: string): string[] {
  if (!code.includes("@google-cloud/functions-framework")) return [];
  const calls = code.matchAll(/\b(?:http|cloudEvent|typed)(?:<[^>]*>)?\(\s*["'`]([A-Za-z][\w-]*)["'`]\s*,/gu);
  return [...new Set([...calls].map((match) => match[1] ?? ""))];
}

/** The text without comments; what stands in strings stays. */
function withoutComments(text: string): string {
  return text.replace(
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/gu,
    (found) => (found.startsWith("/") ? " " : found),
  );
}
