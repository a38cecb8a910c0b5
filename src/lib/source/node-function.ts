/** Which file and which export of it a Node.js function is. */
import { firstOf, mainFile } from "./node-app.ts";
import { type ModuleExports, moduleExports } from "./node-exports.ts";
import { type PackageJson, readPackageJson } from "./package-json.ts";
import type { SourceView } from "./view.ts";

export interface NodeFunction {
  why: string;
  /** What Node.js loads. */
  file: string;
  /** An export's name (`default` for `module.exports = …` and `export default`), or a name registered with the Functions Framework. */
  entryPoint: string;
  /** Whether the entry point is registered by the module itself, which then says too how it is called. */
  registered: boolean;
  packageJson: PackageJson | undefined;
}

const conventional = [
  "index.js",
  "function.js",
  "index.mjs",
  "function.mjs",
  "index.cjs",
  "function.cjs",
  "index.ts",
  "function.ts",
];

/**
 * The function of a folder: the file is package.json's `main`, `index.js`, `function.js` or the only module of the folder; the export is the one asked for,
 * else the only one registered, the default one or the only one.
 * @param asked the entry point, where the user says it
 * @returns undefined where the folder holds no such module
 * @throws with a sentence, where it holds one but no such function, or several
 */
export async function nodeFunction(view: SourceView, asked?: string): Promise<NodeFunction | undefined> {
  const packageJson = await readPackageJson(view);
  const found = functionFile(view, packageJson);
  if (found === undefined) return undefined;
  const exports = moduleExports((await view.read(found.read)) ?? "");
  const chosen =
    asked === undefined ? choose(exports, found.read) : await check(view, { exports, asked, file: found.read });
  const why = packageJson === undefined ? found.read : `package.json and ${found.read}`;
  return { why, file: found.run, packageJson, ...chosen };
}

/** The module that is run, and the text to read it in: what a build makes is read in the file that it is made from. */
function functionFile(
  view: SourceView,
  packageJson: PackageJson | undefined,
): { run: string; read: string } | undefined {
  const main = packageJson?.main;
  if (main !== undefined) {
    const there = mainFile(view, main);
    if (there !== undefined) return { run: there, read: there };
    const source = packageJson?.scripts["build"] === undefined ? undefined : sourceOf(view, main);
    if (source !== undefined) return { run: main.replace(/^\.\//u, ""), read: source };
  }
  const root = view.files.filter(
    (file) => /^[^/]+\.(?:[mc]?js|ts)$/u.test(file) && !/(?:\.test|\.config|\.d)\.[mc]?[jt]s$/u.test(file),
  );
  const file = firstOf(view, conventional) ?? (root.length === 1 ? root[0] : undefined);
  return file === undefined ? undefined : { run: file, read: file };
}

function sourceOf(view: SourceView, main: string): string | undefined {
  const name = (main.split("/").at(-1) ?? "").replace(/\.[mc]?js$/u, "");
  return firstOf(view, [
    `src/${name}.ts`,
    `${name}.ts`,
    `src/${name}.mts`,
    `src/${name}.js`,
    "src/index.ts",
    "index.ts",
  ]);
}

function choose(exports: ModuleExports, file: string): { entryPoint: string; registered: boolean } {
  const [registered, ...more] = exports.registered;
  if (registered !== undefined && more.length === 0) return { entryPoint: registered, registered: true };
  if (registered === undefined) {
    if (exports.default) return { entryPoint: "default", registered: false };
    const [name, ...others] = exports.names;
    if (name !== undefined && others.length === 0) return { entryPoint: name, registered: false };
  }
  const names = registered === undefined ? exports.names : exports.registered;
  throw new Error(
    names.length === 0
      ? `Cannot tell which function of ${file} to serve: it shows no export. Export one, such as exports.hello = (req, res) => …, or name it with --function NAME`
      : `Cannot tell which function of ${file} to serve: it has ${names.join(", ")}. Name one with --function NAME`,
  );
}

interface Asked {
  exports: ModuleExports;
  asked: string;
  file: string;
}

async function check(
  view: SourceView,
  { exports, asked, file }: Asked,
): Promise<{ entryPoint: string; registered: boolean }> {
  const entryPoint = asked;
  if (exports.registered.includes(asked)) return { entryPoint, registered: true };
  // `--function index` for an index.js whose module is the function.
  if (exports.default && file.replace(/^.*\/|\.[^./]*$/gu, "") === asked && !exports.names.includes(asked)) {
    return { entryPoint: "default", registered: false };
  }
  // `a.b` is member b of export a, as for the Functions Framework.
  const [top = asked] = asked.split(".");
  if (exports.names.includes(top) || (top === "default" && exports.default)) return { entryPoint, registered: false };
  for (const each of view.files) {
    if (each === file || !/\.(?:[mc]?[jt]s)$/u.test(each) || each.startsWith("node_modules/")) continue;
    if (moduleExports((await view.read(each)) ?? "").registered.includes(asked))
      return { entryPoint, registered: true };
  }
  if (exports.open) return { entryPoint, registered: false };
  const known = [...exports.registered, ...exports.names, ...(exports.default ? ["default"] : [])];
  const has = known.length === 0 ? "it shows no export" : `it has ${known.join(", ")}`;
  throw new Error(
    `Cannot find function "${asked}" in ${file}: ${has}. Export it, or name another with --function NAME`,
  );
}
