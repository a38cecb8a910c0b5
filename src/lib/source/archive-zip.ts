/** Reads zip archives. */
import { crc32 } from "node:zlib";

import { type Entry, getFileNameLowLevel, openPromise, type ZipFile } from "yauzl";

import { type ArchiveEntry, type ArchiveReading, contentOf, damaged, quoted } from "./archive-entry.ts";
import { SourceFault } from "./errors.ts";

/** Systems whose permission bits a zip holds (upper byte of "version made by"): Unix and macOS. */
const unixLike = new Set([3, 19]);
const typeMask = 0o170000;
const typeOfMode: Record<number, ArchiveEntry["type"]> = {
  0: "file",
  0o100000: "file",
  0o040000: "directory",
  0o120000: "symlink",
};
const maxTarget = 4096;

/** @throws SourceFault where the archive is damaged or encrypted, and whatever `onEntry` throws */
export async function readZip({ file, shown, onEntry }: ArchiveReading): Promise<void> {
  let zip: ZipFile;
  try {
    // Names as bytes: they are decoded below, so that what is wrong with one gets our sentence.
    zip = await openPromise(file, {
      autoClose: false,
      lazyEntries: true,
      decodeStrings: false,
      validateEntrySizes: true,
    });
  } catch (error) {
    throw damaged(shown, error);
  }
  let refused: unknown;
  try {
    for await (const entry of zip.eachEntry()) {
      try {
        await readEntry(zip, entry, { file, shown, onEntry });
      } catch (error) {
        refused = error;
        throw error;
      }
    }
  } catch (error) {
    if (error === refused) throw error;
    throw damaged(shown, error);
  } finally {
    zip.close();
  }
}

async function readEntry(zip: ZipFile, entry: Entry, { shown, onEntry }: ArchiveReading): Promise<void> {
  const name = nameOf(entry, shown);
  const { type, mode } = describe(entry, name);
  const size = entry.uncompressedSize;
  if (type === "directory") return onEntry({ name, type, mode, size: 0 }, none());
  if (entry.isEncrypted()) {
    throw new SourceFault(`Entry ${quoted(name)} of ${shown} is encrypted: pack it without a password`);
  }
  if (!entry.canDecodeFileData()) {
    throw new SourceFault(
      `Entry ${quoted(name)} of ${shown} is compressed by method ${entry.compressionMethod}, which isn't read here: pack it with deflate, zip's own default`,
    );
  }
  const content = contentOf(checked(zip, entry), shown);
  if (type !== "symlink") return onEntry({ name, type, mode, size }, content);
  return onEntry({ name, type, mode, size: 0, link: await targetOf(content, { name, shown }) }, none());
}

/** An entry's content, opened when it is read first, and compared with its checksum at the end: the library doesn't. */
async function* checked(zip: ZipFile, entry: Entry): AsyncGenerator<Uint8Array> {
  let sum = 0;
  const stream: AsyncIterable<Buffer> = await zip.openReadStreamPromise(entry);
  for await (const chunk of stream) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== entry.crc32) throw new Error(`wrong checksum of ${quoted(nameOf(entry, ""))}`);
}

/** In UTF-8 or, where the entry doesn't say so, the code page of old; `\` separates as `/` does, as some Windows programs write. */
function nameOf(entry: Entry, shown: string): string {
  try {
    return getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
  } catch (error) {
    throw damaged(shown, error);
  }
}

function describe(entry: Entry, name: string): { type: ArchiveEntry["type"]; mode: number } {
  // An unsigned shift: the file's type is in the topmost bits.
  const unix = unixLike.has(entry.versionMadeBy >>> 8) ? entry.externalFileAttributes >>> 16 : 0;
  if (name.endsWith("/")) return { type: "directory", mode: 0o755 };
  // Without permission bits it comes from a system that has none.
  return { type: typeOfMode[unix & typeMask] ?? "other", mode: unix === 0 ? 0o644 : unix & 0o7777 };
}

async function targetOf(content: AsyncIterable<Uint8Array>, at: { name: string; shown: string }): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > maxTarget) {
      throw new SourceFault(
        `Entry ${quoted(at.name)} of ${at.shown} is a symbolic link whose target is too long: remove it`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function* none(): AsyncGenerator<Uint8Array> {}
