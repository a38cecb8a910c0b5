/** Reads tar, plain or packed with gzip. */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";

import { extract, type Extract, type Header } from "tar-stream";

import { type ArchiveEntry, type ArchiveReading, contentOf, damaged, quoted } from "./archive-entry.ts";
import { SourceFault } from "./errors.ts";

const types: Record<string, ArchiveEntry["type"]> = {
  file: "file",
  "contiguous-file": "file",
  directory: "directory",
  symlink: "symlink",
  link: "hardlink",
};

/** @throws SourceFault where the archive is damaged, and whatever `onEntry` throws */
export async function readTar({ file, shown, onEntry }: ArchiveReading, { gzip }: { gzip: boolean }): Promise<void> {
  const entries = extract();
  const stop = new AbortController();
  const feeding = pipeline(
    createReadStream(file, { highWaterMark: 256 * 1024 }),
    gzip ? createGunzip({ chunkSize: 256 * 1024 }) : new PassThrough(),
    (chunks: AsyncIterable<Buffer>) => feed(chunks, entries),
    { signal: stop.signal },
  );
  // The iteration below then fails with the same error.
  feeding.catch((error: Error) => entries.destroy(error));
  let refused: unknown;
  try {
    for await (const entry of entries) {
      try {
        await onEntry(entryOf(entry.header, shown), contentOf(entry as AsyncIterable<Uint8Array>, shown));
      } catch (error) {
        refused = error;
        throw error;
      }
      entry.resume();
    }
    await feeding;
  } catch (error) {
    if (error === refused) throw error;
    throw damaged(shown, error);
  } finally {
    stop.abort();
    entries.destroy(new Error("The archive is left"));
    await feeding.catch(() => {});
  }
}

async function feed(chunks: AsyncIterable<Buffer>, entries: Extract): Promise<void> {
  for await (const chunk of chunks) {
    if (entries.destroyed) return;
    if (!entries.write(chunk)) await drained(entries);
  }
  entries.end(undefined);
}

/** Waits until it takes more or has been left; whichever comes, nobody listens for the other any more. */
async function drained(entries: Extract): Promise<void> {
  const waiting = new AbortController();
  const { signal } = waiting;
  try {
    await Promise.race([once(entries, "drain", { signal }), once(entries, "close", { signal })]);
  } finally {
    waiting.abort();
  }
}

function entryOf(header: Header, shown: string): ArchiveEntry {
  const { name, type, mode, size, linkname, pax } = header;
  if (Object.keys(pax ?? {}).some((key) => key.startsWith("GNU.sparse."))) {
    throw new SourceFault(`Entry ${quoted(name)} of ${shown} is a sparse file: pack it without tar's --sparse`);
  }
  return { name, type: types[type] ?? "other", mode, size, link: linkname };
}
