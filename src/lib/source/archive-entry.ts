/** Entries of archives, of any format, and their names, which are never trusted. */
import { SourceFault } from "./errors.ts";

/** One entry, as the archive tells it. */
export interface ArchiveEntry {
  /** The name as it stands there: `entryPath()` checks it. */
  name: string;
  /** `other`: a device, pipe or something unknown. */
  type: "file" | "directory" | "symlink" | "hardlink" | "other";
  /** Permission bits. */
  mode: number;
  /** Bytes of the content, as the archive says before it is read. */
  size: number;
  /** Of a link: its target. */
  link?: string;
}

/** Takes an entry. `content` may be read before the returned promise resolves, whole or not at all. */
export type EntryReader = (entry: ArchiveEntry, content: AsyncIterable<Uint8Array>) => Promise<void>;

/** What a reader of one format is told. */
export interface ArchiveReading {
  /** The file. */
  file: string;
  /** How messages name the archive. */
  shown: string;
  onEntry: EntryReader;
}

/** Longest name of a file, and longest path, that Linux takes. */
const maxName = 255;
const maxPath = 4095;

/**
 * The path of an entry below the directory that it is unpacked to, without `.`, doubled and final slashes; empty for that directory itself.
 * @throws SourceFault where the name is absolute, leads out by `..`, or no file can have it
 */
export function entryPath(name: string, shown: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  const fault = (why: string) => new SourceFault(`Entry ${quoted(name)} of ${shown} ${why}`);
  if (name.startsWith("/") || parts.includes("..")) {
    throw fault('would be written outside of the source: pack it with relative paths, without ".."');
  }
  if (
    name.includes("\0") ||
    Buffer.byteLength(name) > maxPath ||
    parts.some((part) => Buffer.byteLength(part) > maxName)
  ) {
    throw fault("has a name that no file can have: rename it");
  }
  return parts.join("/");
}

/** The sentence of an archive that ends too early or holds what its format doesn't allow. */
export function damaged(shown: string, error: unknown): SourceFault {
  if (error instanceof SourceFault) return error;
  const { message } = error as Error;
  return new SourceFault(`Cannot read ${shown}: it is damaged or not complete (${message}); make or send it again`, {
    cause: error,
  });
}

/** Content whose read errors are the archive's. */
export async function* contentOf(stream: AsyncIterable<Uint8Array>, shown: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk;
  } catch (error) {
    throw damaged(shown, error);
  }
}

/** Names in messages, cut where an archive makes them long. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}
