/** Fetches an archive: downloads it or takes the upload, and unpacks it as it is, a single top directory too. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

import { SourceFault } from "../../lib/source/errors.ts";
import { parseLocation, type SourceLocation } from "../../lib/source/location.ts";
import type { SourceFound } from "../builds.ts";
import type { FetchContext } from "./context.ts";
import { download, shownAddress } from "./download.ts";
import { unpack } from "./unpack.ts";

/** Fetches into the workspace. `upload` is the uploaded file. @throws SourceFault */
export async function fetchArchive(text: string, upload: string | undefined, ctx: FetchContext): Promise<SourceFound> {
  const location = parseLocation(text);
  const { file, sha256, shown } = await located(location, upload, ctx);
  ctx.log(`Unpacking ${shown}`);
  await unpack(file, { directory: ctx.workspace, shown: `archive ${shown}`, budget: ctx.budget });
  if (file !== upload) await rm(file);
  return { archive: location.type === "url" ? withoutQuery(text) : text, context: `sha256:${sha256}` };
}

/** A file of the source that stands at a location, and its digest. */
export async function located(
  location: SourceLocation,
  upload: string | undefined,
  ctx: FetchContext,
): Promise<{ file: string; sha256: string; shown: string }> {
  if (location.type === "upload") {
    const shown = `sha256:${location.sha256}`;
    if (upload === undefined) throw new SourceFault(`Upload ${shown} is not there any more: send it again`);
    await checkUpload(upload, location.sha256);
    return { file: upload, sha256: location.sha256, shown };
  }
  const file = join(ctx.temporary, "download");
  const shown = shownAddress(location.url);
  ctx.log(`Downloading ${shown}`);
  if (location.url.startsWith("http:") && location.sha256 === undefined) {
    ctx.log("Anybody on the way can change what comes by http: pin it with #sha256=HEX, or use https");
  }
  const pinned = location.sha256 === undefined ? {} : { sha256: location.sha256 };
  const sha256 = await download(location.url, { file, maxBytes: ctx.budget.limits.bytes, ...pinned });
  return { file, sha256, shown };
}

/** A disk may lose bits, and what is built must be what was uploaded. */
async function checkUpload(file: string, expected: string): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const found = hash.digest("hex");
  if (found !== expected)
    throw new SourceFault(`Upload sha256:${expected} is damaged on the server's disk (it has ${found}): send it again`);
}

/** A location as statuses may show it, for everybody to read: a signed URL's query opens it. */
export function withoutQuery(text: string): string {
  return text.replace(/[?#].*$/s, "");
}
