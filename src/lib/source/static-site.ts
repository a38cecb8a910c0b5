/** Where a static site's files are. */
import type { SourceView } from "./view.ts";

export interface StaticSite {
  why: string;
  /** The folder that is served: `.`, `public`, `dist`. */
  folder: string;
}

/**
 * The folder with `index.html`: the root, `public` or `dist`. Undefined where none has one.
 * @param asked the folder, where the user says it
 */
export function staticSite(view: SourceView, asked?: string): StaticSite | undefined {
  const folders = asked === undefined ? [".", "public", "dist"] : [asked.replace(/^\.\/|\/+$/gu, "") || "."];
  for (const folder of folders) {
    const index = folder === "." ? "index.html" : `${folder}/index.html`;
    if (view.files.includes(index)) return { why: index, folder };
  }
  return undefined;
}
