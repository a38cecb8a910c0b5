import type { SourceView } from "../../src/lib/source/view.ts";

/** A folder of source as an object: paths and texts. */
export function sourceView(texts: Record<string, string>): SourceView {
  return { files: Object.keys(texts), read: (path) => Promise.resolve(texts[path]) };
}
