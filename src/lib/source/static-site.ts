/** Where a static site's files are. */
import { readPackageJson } from "./package-json.ts";
import type { SourceView } from "./view.ts";

export interface StaticSite {
  /** What says so, for people: `public/index.html`. */
  why: string;
  /** The folder that is served: `.`, `public`, `dist`; where a `build` script makes the site, absent unless it is given. */
  folder?: string;
  /** A `build` script of package.json makes it: what is in the source isn't what is served. */
  built: boolean;
}

const index = (folder: string) => (folder === "." ? "index.html" : `${folder}/index.html`);

/**
 * The site of a folder: what a `build` script makes, where there is a page as well; else the folder with `index.html`: the root, `public` or `dist`. Undefined where there
 * is none.
 * @param asked the folder, where the user says it
 */
export async function staticSite(view: SourceView, asked?: string): Promise<StaticSite | undefined> {
  const folder = asked === undefined ? undefined : asked.replace(/^\.\/|\/+$/gu, "") || ".";
  const packageJson = await readPackageJson(view);
  const built = (packageJson?.scripts["build"] ?? "").trim() !== "";
  const there = (folder === undefined ? [".", "public", "dist", "src"] : [folder]).find((each) =>
    view.files.includes(index(each)),
  );
  if (built && (folder !== undefined || there !== undefined)) {
    return { why: 'package.json with "build" and a page', built, ...(folder === undefined ? {} : { folder }) };
  }
  return there === undefined || there === "src" ? undefined : { why: index(there), folder: there, built: false };
}
