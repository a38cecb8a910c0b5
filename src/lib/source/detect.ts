/**
 * Which template fits a folder of source. In this order, the first that fits:
 *
 * - apps: `Dockerfile` or `Containerfile` (dockerfile); a Node.js app (nodejs-24); a Go program (go-1); a Python app (python-3); `index.html` in the root, `public` or
 *   `dist` (static);
 * - functions: a Node.js module (nodejs-24-fn); `main.py` (python-3-fn); Go files (go-1-fn).
 *
 * A Dockerfile says most exactly what is wanted. Node.js comes before Python and Go, for a `package.json` with a start script is no by-product, while a Node.js app may
 * well have a script in another language; Go before Python for the same reason; a page may be part of any app, so it comes last.
 */
import { goApp, goFunction } from "./go-source.ts";
import { nodeApp } from "./node-app.ts";
import { nodeFunction } from "./node-function.ts";
import { pythonApp } from "./python-app.ts";
import { pythonFunction } from "./python-function.ts";
import { staticSite } from "./static-site.ts";
import type { SourceView } from "./view.ts";

export interface Detection {
  /** The BuildTemplate's name. */
  template: string;
  /** What runs it, for people: `node-24`. */
  runtime: string;
  /** What was seen: `package.json with "start"`. */
  why: string;
  /** The function. */
  entryPoint?: string;
}

export interface DetectOptions {
  /** A function is wanted: its entry point, or `true` where the language's conventions are to tell it. */
  function?: string | true;
}

/**
 * Finds the template for a folder of source.
 * @throws an Error whose message is a sentence for the user, where nothing fits or something that fits is incomplete
 */
export async function detect(view: SourceView, options: DetectOptions = {}): Promise<Detection> {
  const wanted = options.function;
  const found =
    wanted === undefined ? await detectApp(view) : await detectFunction(view, wanted === true ? undefined : wanted);
  if (found !== undefined) return found;
  const fits =
    wanted === undefined
      ? 'Dockerfile, package.json with "start", go.mod, requirements.txt or main.py, index.html'
      : 'index.js or package.json with "main" (Node.js), main.py (Python), a .go file (Go)';
  const what = wanted === undefined ? "app" : "function";
  throw new Error(
    `Cannot tell how to build this ${what}: ${seen(view)}. What would fit: ${fits}. Or name a template with --template (elafros templates list shows them)`,
  );
}

async function detectApp(view: SourceView): Promise<Detection | undefined> {
  for (const file of ["Dockerfile", "Containerfile"]) {
    if (view.files.includes(file)) return { template: "dockerfile", runtime: "dockerfile", why: file };
  }
  const node = await nodeApp(view);
  if (node !== undefined) return { template: "nodejs-24", runtime: "node-24", why: node.why };
  const go = await goApp(view);
  if (go !== undefined) return { template: "go-1", runtime: "go-1", why: go.why };
  const python = await pythonApp(view);
  if (python !== undefined) return { template: "python-3", runtime: "python-3", why: python.why };
  const site = await staticSite(view);
  return site === undefined ? undefined : { template: "static", runtime: "static", why: site.why };
}

async function detectFunction(view: SourceView, asked: string | undefined): Promise<Detection | undefined> {
  const found = await firstFunction(view, asked);
  if (found === undefined) return undefined;
  const { template, runtime, why, entryPoint } = found;
  return { template, runtime, why: `${why} with function ${entryPoint}`, entryPoint };
}

async function firstFunction(view: SourceView, asked: string | undefined): Promise<Required<Detection> | undefined> {
  const node = await nodeFunction(view, asked);
  if (node !== undefined)
    return { template: "nodejs-24-fn", runtime: "node-24", why: node.why, entryPoint: node.entryPoint };
  const python = await pythonFunction(view, asked);
  if (python !== undefined) {
    return { template: "python-3-fn", runtime: "python-3", why: python.why, entryPoint: python.entryPoint };
  }
  const go = await goFunction(view, asked);
  return go === undefined
    ? undefined
    : { template: "go-1-fn", runtime: "go-1", why: go.why, entryPoint: go.entryPoint };
}

/** What the folder holds, shortened: `there are only README.md and src/`. */
function seen(view: SourceView): string {
  const top = [
    ...new Set(view.files.map((file) => (file.includes("/") ? `${file.slice(0, file.indexOf("/"))}/` : file))),
  ].sort();
  if (top.length === 0) return "the folder is empty";
  const shown = top.slice(0, 8).join(", ");
  return `there is ${shown}${top.length > 8 ? ` and ${top.length - 8} more` : ""}`;
}
