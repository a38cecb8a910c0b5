/** What a Go module's files say of how it is built, and which function a Go function is. */
import type { SourceView } from "./view.ts";

export interface GoApp {
  why: string;
  /** Whether there is a go.mod, or one is made. */
  module: boolean;
  /** The main package's folder, as `go build` takes it: `.`, `./cmd/web`. */
  main: string;
}

export interface GoFunction {
  why: string;
  module: boolean;
  /** The function's exact name, exported. */
  entryPoint: string;
  /** The package's name. */
  package: string;
  signature: "http" | "cloudevent";
}

/**
 * The main package: the root's, else the only one below `cmd/` or anywhere.
 * @param asked its folder, where the user says it
 * @returns undefined where there is no Go
 * @throws with a sentence, where there is no main package, or several
 */
export async function goApp(view: SourceView, asked?: string): Promise<GoApp | undefined> {
  const module = view.files.includes("go.mod");
  const mains = await mainFolders(view);
  if (!module && mains.length === 0) return undefined;
  const why = module ? "go.mod" : `package main in ${mains.join(", ")}`;
  const wanted = asked === undefined ? undefined : asked.replace(/^\.\/|\/$/gu, "") || ".";
  if (wanted !== undefined && !mains.includes(wanted)) {
    throw new Error(
      `Cannot find package main in "${asked}": it is in ${mains.join(", ") || "none of the files"}. Give its folder as _ENTRY_POINT`,
    );
  }
  const below = mains.filter((folder) => folder.startsWith("cmd/"));
  const main =
    wanted ??
    (mains.includes(".")
      ? "."
      : ((below.length === 1 ? below[0] : undefined) ?? (mains.length === 1 ? mains[0] : undefined)));
  if (main === undefined) {
    throw new Error(
      mains.length === 0
        ? "Cannot build the Go program: there is go.mod, but no file with package main. Add one, or deploy a function with --function NAME"
        : `Cannot tell which Go program to build: package main is in ${mains.join(", ")}. Give its folder as _ENTRY_POINT`,
    );
  }
  return { why, module, main: main === "." ? "." : `./${main}` };
}

/**
 * The function in the Go files of the root: the one asked for, in any case of letters (`index` finds `Index`), else the only one with a handler's signature.
 * @returns undefined where there is no Go file
 * @throws with a sentence, where there is no such function, or several
 */
export async function goFunction(view: SourceView, asked?: string): Promise<GoFunction | undefined> {
  const files = view.files.filter((file) => isSource(file) && !file.includes("/"));
  if (files.length === 0) return undefined;
  const texts = await Promise.all(files.map(async (file) => (await view.read(file)) ?? ""));
  const name = texts.map(packageName).find((each) => each !== undefined) ?? "main";
  const handlers = texts.flatMap(handlersIn);
  const names = handlers.map((each) => each.entryPoint).join(", ");
  const matching =
    asked === undefined ? handlers : handlers.filter((each) => each.entryPoint.toLowerCase() === asked.toLowerCase());
  const chosen =
    matching.find((each) => each.entryPoint === asked) ?? (matching.length === 1 ? matching[0] : undefined);
  const shape =
    "func NAME(w http.ResponseWriter, r *http.Request), or func NAME(ctx context.Context, e event.Event) error";
  if (chosen === undefined && asked !== undefined) {
    throw new Error(
      `Cannot find function "${asked}" in ${files.join(", ")}: there is ${names || "no handler"}. Write it as ${shape}`,
    );
  }
  if (chosen === undefined) {
    throw new Error(
      handlers.length === 0
        ? `Cannot tell which function of ${files.join(", ")} to serve: there is no handler. Write one as ${shape}`
        : `Cannot tell which function of ${files.join(", ")} to serve: there is ${names}. Name one with --function NAME`,
    );
  }
  const module = view.files.includes("go.mod");
  return { why: module ? "go.mod and Go files" : (files[0] ?? ""), module, package: name, ...chosen };
}

async function mainFolders(view: SourceView): Promise<string[]> {
  const folders = new Set<string>();
  for (const file of view.files) {
    if (!isSource(file) || /(?:^|\/)(?:vendor|testdata|_[^/]*)\//u.test(file)) continue;
    const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : ".";
    const text = folders.has(folder) ? "" : ((await view.read(file)) ?? "");
    if (packageName(text) === "main" && !/^\/\/go:build\s+ignore\b/mu.test(text)) folders.add(folder);
  }
  return [...folders].sort();
}

function isSource(file: string): boolean {
  return file.endsWith(".go") && !file.endsWith("_test.go");
}

function packageName(text: string): string | undefined {
  return /^\s*package\s+(\w+)/mu.exec(text.replace(/\/\*[\s\S]*?\*\//gu, ""))?.[1];
}

function handlersIn(text: string): Pick<GoFunction, "entryPoint" | "signature">[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/gu, "");
  const http = /^func\s+(\p{Lu}\w*)\s*\(\s*\w+\s+http\.ResponseWriter\s*,\s*\w+\s+\*http\.Request\s*,?\s*\)/gmu;
  const event =
    /^func\s+(\p{Lu}\w*)\s*\(\s*\w+\s+context\.Context\s*,\s*\w+\s+(?:cloudevents|event)\.Event\s*,?\s*\)\s*error/gmu;
  return [
    ...[...code.matchAll(http)].map((match) => ({ entryPoint: match[1] ?? "", signature: "http" as const })),
    ...[...code.matchAll(event)].map((match) => ({ entryPoint: match[1] ?? "", signature: "cloudevent" as const })),
  ];
}
