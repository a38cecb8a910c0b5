/** Fetches a manifest: a JSON object of `path → {sourceUrl, sha256}`, and each file that it names. */
import { chmod, mkdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import { entryPath, quoted } from "../../lib/source/archive-entry.ts";
import { SourceFault } from "../../lib/source/errors.ts";
import { parseLocation } from "../../lib/source/location.ts";
import type { SourceFound } from "../builds.ts";
import { located, withoutQuery } from "./archive.ts";
import type { FetchContext } from "./context.ts";
import { download } from "./download.ts";

const maxManifestBytes = 64 * 1024 * 1024;
const parallel = 8;

interface Entry {
  path: string;
  url: string;
  sha256: string;
}

/** Fetches into the workspace. `upload` is the uploaded manifest. @throws SourceFault */
export async function fetchManifest(text: string, upload: string | undefined, ctx: FetchContext): Promise<SourceFound> {
  const location = parseLocation(text);
  const { file, sha256, shown } = await located(location, upload, ctx);
  if ((await stat(file)).size > maxManifestBytes)
    throw new SourceFault(`Manifest ${shown} is too large: use an archive`);
  const entries = readManifest(await readFile(file, "utf8"), shown);
  if (file !== upload) await rm(file);
  ctx.log(`Downloading ${entries.length} files that ${shown} names`);
  await makeDirectories(entries, ctx, shown);
  await inParallel(entries, (entry) => fetchFile(entry, ctx, shown));
  return { manifest: location.type === "url" ? withoutQuery(text) : text, context: `sha256:${sha256}` };
}

/** The files that a manifest names. @throws SourceFault naming the first entry that is wrong */
function readManifest(text: string, shown: string): Entry[] {
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SourceFault(`Manifest ${shown} is no JSON object of path → {"sourceUrl": …, "sha256": …}: correct it`);
  }
  const paths = new Set<string>();
  return Object.entries(value as Record<string, unknown>).map(([name, entry]) => {
    const fault = (why: string) => new SourceFault(`Entry ${quoted(name)} of manifest ${shown} ${why}`);
    const path = entryPath(name, `manifest ${shown}`);
    if (path === "" || paths.has(path)) throw fault("is there twice or has no name: correct it");
    paths.add(path);
    const { sourceUrl, sha256 } = (entry ?? {}) as { sourceUrl?: unknown; sha256?: unknown };
    if (typeof sourceUrl !== "string") throw fault("needs a sourceUrl");
    if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/i.test(sha256)) throw fault("needs sha256, 64 hex digits");
    const location = parseLocation(sourceUrl);
    if (location.type !== "url") throw fault("has an upload as sourceUrl: use a URL");
    return { path, url: location.url, sha256: sha256.toLowerCase() };
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** All before the first file: nothing here is ever a link, and a path that is both file and directory is found. */
async function makeDirectories(
  entries: readonly Entry[],
  { workspace, budget }: FetchContext,
  shown: string,
): Promise<void> {
  const files = new Set(entries.map(({ path }) => path));
  const made = new Set<string>(["."]);
  for (const { path } of entries) {
    budget.entry(`manifest ${shown}`);
    const missing: string[] = [];
    for (let at = dirname(path); !made.has(at); at = dirname(at)) missing.unshift(at);
    for (const at of missing) {
      if (files.has(at))
        throw new SourceFault(`Entry ${quoted(at)} of manifest ${shown} is both a file and a directory: correct it`);
      budget.entry(`manifest ${shown}`);
      await mkdir(join(workspace, at));
      await chmod(join(workspace, at), 0o755);
      made.add(at);
    }
  }
}

async function fetchFile(
  { path, url, sha256 }: Entry,
  { workspace, budget }: FetchContext,
  shown: string,
): Promise<void> {
  const file = join(workspace, path);
  try {
    const maxBytes = budget.limits.bytes;
    await download(url, { file, maxBytes, sha256, onBytes: (count) => budget.bytes(count, `manifest ${shown}`) });
  } catch (error) {
    if (!(error instanceof SourceFault)) throw error;
    throw new SourceFault(`File ${quoted(path)} of manifest ${shown}: ${error.message}`, { cause: error });
  }
  await chmod(file, 0o644);
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      try {
        await work(item);
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}
