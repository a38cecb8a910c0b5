/** How a Node.js app is started. */
import { type PackageJson, readPackageJson } from "./package-json.ts";
import type { SourceView } from "./view.ts";

export interface NodeApp {
  /** What says so, for people: `package.json with "start"`. */
  why: string;
  packageJson: PackageJson | undefined;
  /** The `start` script, or the file that Node.js runs. */
  start: { script: string } | { file: string };
}

/**
 * How an app is started: the `start` script, else package.json's `main`, else `server.js` or `index.js`. Without a package.json only a server file counts: an
 * `index.js` alone may as well be a web page's. Undefined where nothing says that this is a Node.js app.
 */
export async function nodeApp(view: SourceView): Promise<NodeApp | undefined> {
  const packageJson = await readPackageJson(view);
  if (packageJson === undefined) {
    const file = firstOf(view, ["server.js", "server.mjs", "server.cjs", "server.ts"]);
    return file === undefined ? undefined : { why: file, packageJson, start: { file } };
  }
  const script = packageJson.scripts["start"];
  if (script !== undefined && script.trim() !== "") {
    return { why: 'package.json with "start"', packageJson, start: { script } };
  }
  const main = packageJson.main === undefined ? undefined : mainFile(view, packageJson.main);
  // What a build script makes isn't there yet.
  if (main === undefined && packageJson.main !== undefined && packageJson.scripts["build"] !== undefined) {
    return { why: 'package.json with "main" and "build"', packageJson, start: { file: plain(packageJson.main) } };
  }
  if (main !== undefined)
    return { why: `package.json with "main": "${packageJson.main}"`, packageJson, start: { file: main } };
  const file = firstOf(view, [
    "server.js",
    "index.js",
    "server.mjs",
    "index.mjs",
    "server.cjs",
    "index.cjs",
    "server.ts",
    "index.ts",
  ]);
  return file === undefined ? undefined : { why: `package.json and ${file}`, packageJson, start: { file } };
}

/** The file that `main` of a package.json means, as Node.js finds it; undefined where it isn't there. */
export function mainFile(view: SourceView, main: string): string | undefined {
  const path = plain(main);
  return firstOf(view, path === "" ? ["index.js"] : [path, `${path}.js`, `${path}.cjs`, `${path}/index.js`]);
}

/** The first of some paths that is there. */
export function firstOf(view: SourceView, paths: readonly string[]): string | undefined {
  return paths.find((path) => view.files.includes(path));
}

function plain(path: string): string {
  return path.replace(/^(\.\/)+/u, "").replace(/\/+$/u, "");
}
