/** Which function of `main.py` a Python function is. */
import type { SourceView } from "./view.ts";

export interface PythonFunction {
  why: string;
  entryPoint: string;
  /** `cloudevent` where it takes an event; the decorators of functions-framework say the same again. */
  signature: "http" | "cloudevent";
}

interface Defined {
  name: string;
  decorated: boolean;
  signature: "http" | "cloudevent";
}

/**
 * The function of a folder with `main.py`: the one asked for, else the only one decorated by functions-framework, else the only public one.
 * @returns undefined where there is no main.py
 * @throws with a sentence, where there is no such function, or several
 */
export async function pythonFunction(view: SourceView, asked?: string): Promise<PythonFunction | undefined> {
  const text = await view.read("main.py");
  if (text === undefined) return undefined;
  const defined = definedIn(text);
  const decorated = defined.filter((each) => each.decorated);
  const candidates = decorated.length > 0 ? decorated : defined.filter((each) => !each.name.startsWith("_"));
  const names = defined.map((each) => each.name).join(", ");
  if (asked !== undefined) {
    const chosen = defined.find((each) => each.name === asked);
    if (chosen !== undefined) return { why: "main.py", entryPoint: asked, signature: chosen.signature };
    // A name may be bound by assignment or import.
    if (new RegExp(`\\b${escape(asked)}\\b`, "u").test(text))
      return { why: "main.py", entryPoint: asked, signature: "http" };
    throw new Error(
      `Cannot find function "${asked}" in main.py: it has ${names || "none"}. Define it, or name another with --function NAME`,
    );
  }
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0)
    return { why: "main.py", entryPoint: only.name, signature: only.signature };
  throw new Error(
    only === undefined
      ? "Cannot tell which function of main.py to serve: it defines none. Define one, such as def hello(request)"
      : `Cannot tell which function of main.py to serve: it has ${candidates.map((each) => each.name).join(", ")}. Name one with --function NAME`,
  );
}

function definedIn(text: string): Defined[] {
  const pattern = /^((?:@[^\n]*\n(?:[ \t]*#[^\n]*\n)*)*)(?:async[ \t]+)?def[ \t]+(\w+)[ \t]*\(\s*(\w*)/gmu;
  return [...text.matchAll(pattern)].map((match) => {
    const decorators = match[1] ?? "";
    const event =
      /cloud_event\b/u.test(decorators) ||
      (!/functions_framework|http/u.test(decorators) && /^(?:cloud_?)?event$/iu.test(match[3] ?? ""));
    return {
      name: match[2] ?? "",
      decorated: /@(?:functions_framework\.)?(?:http|cloud_event|typed)\b/u.test(decorators),
      signature: event ? "cloudevent" : "http",
    };
  });
}

function escape(text: string): string {
  return text.replace(/[^\w]/gu, "\\$&");
}
