/** Archives of any format that sources come in: zip, tar, tar.gz, told apart by content. */
import { type FileHandle, open } from "node:fs/promises";

import type { EntryReader } from "./archive-entry.ts";
import { readTar } from "./archive-tar.ts";
import { readZip } from "./archive-zip.ts";
import { SourceFault, unreadable } from "./errors.ts";

/** First bytes of what people also send, and what to call it. */
const others: readonly { magic: string; what: string }[] = [
  { magic: "425a68", what: "packed with bzip2" },
  { magic: "fd377a585a00", what: "packed with xz" },
  { magic: "28b52ffd", what: "packed with zstd" },
  { magic: "377abcaf271c", what: "a 7z archive" },
  { magic: "52617221", what: "a RAR archive" },
  { magic: "3c21", what: "an HTML page" },
  { magic: "3c68", what: "an HTML page" },
];

/**
 * Reads an archive's entries, one after the other, in its order.
 * @param shown how messages name the archive: `Archive "a.zip"`
 * @throws SourceFault where it is no archive or damaged, and whatever `onEntry` throws
 */
export async function readArchive(file: string, shown: string, onEntry: EntryReader): Promise<void> {
  const start = await firstBytes(file);
  const hex = start.toString("hex");
  const reading = { file, shown, onEntry };
  if (["504b0304", "504b0506"].some((magic) => hex.startsWith(magic))) return readZip(reading);
  if (hex.startsWith("1f8b")) return readTar(reading, { gzip: true });
  if (start.toString("latin1", 257, 262) === "ustar") return readTar(reading, { gzip: false });
  const other = others.find(({ magic }) => hex.startsWith(magic))?.what;
  const found = start.length === 0 ? "empty" : (other ?? "none of them");
  throw new SourceFault(
    `Cannot read ${shown}: a zip, tar or tar.gz is needed, and it is ${found}; pack it as one of them`,
  );
}

async function firstBytes(path: string): Promise<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await file.close();
  }
}
