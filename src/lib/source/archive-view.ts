/** An archive as detection sees it. */
import { entryPath } from "./archive-entry.ts";
import { readArchive } from "./archive.ts";
import { maxTextBytes, type SourceView } from "./view.ts";

/** The texts that are kept from the one pass over the archive that lists it, all together. */
const keptBytes = 32 * maxTextBytes;

/**
 * The view of an archive on this machine. Small texts of its two top levels are kept; for another one the archive is read again.
 * @throws SourceFault where it is no archive, damaged, or names paths outside of itself
 */
export async function archiveView(file: string): Promise<SourceView> {
  const shown = `archive ${JSON.stringify(file)}`;
  const files = new Set<string>();
  const texts = new Map<string, string>();
  let kept = 0;
  await readArchive(file, shown, async ({ name, type, size }, content) => {
    const path = entryPath(name, shown);
    if (type !== "file") return;
    files.add(path);
    if (path.split("/").length > 2 || kept + Math.min(size, maxTextBytes) > keptBytes) return;
    const text = await startOf(content);
    kept += text.length;
    texts.set(path, text);
  });
  return {
    files: [...files].sort(),
    read: async (path) => texts.get(path) ?? (files.has(path) ? textIn(file, shown, path) : undefined),
  };
}

async function textIn(file: string, shown: string, path: string): Promise<string | undefined> {
  let text: string | undefined;
  await readArchive(file, shown, async ({ name, type }, content) => {
    if (type === "file" && entryPath(name, shown) === path) text = await startOf(content);
  });
  return text;
}

async function startOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    if (bytes >= maxTextBytes) continue; // read to the end: the next entry begins there
    chunks.push(chunk);
    bytes += chunk.length;
  }
  return Buffer.concat(chunks).subarray(0, maxTextBytes).toString("utf8");
}
