/**
 * Output of instances. conmon writes it as Kubernetes' log format, a line each: time, stream, `F` (full) or `P` (partial), text. When the file
 * has its size conmon begins a new one in its place; a second name of the current file keeps the one before. So a run has at most two files of that
 * size, and an instance the files of two runs.
 */
import { type FileHandle, link, open, rename, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogOptions } from "../workloads.ts";
import { isMissing, readEnd } from "./files.ts";

/** A line as it was written. `at` as conmon wrote it, RFC 3339 with nanoseconds. */
export interface LogLine {
  at: string;
  text: string;
  stream: string;
}

/** Longer lines are given in pieces. */
const maxLine = 64 << 10;
const chunkBytes = 64 << 10;
const followMs = 50;

/** By path, the call under way: of two at once, the second would take what the first just kept for the file before. */
const keeping = new Map<string, Promise<number | undefined>>();

/**
 * Keeps the log file that conmon just replaced as `PATH.1`. To be called at times; nothing happens where there is no log yet.
 * @param known what the call before gave for the same path: spares a look at the file system
 * @returns the current file's number, where it is kept
 */
export async function keepRotated(path: string, known?: number): Promise<number | undefined> {
  const before = keeping.get(path);
  const turn = Promise.resolve(before?.catch(() => {})).then(() => keep(path, known));
  keeping.set(path, turn);
  try {
    return await turn;
  } finally {
    if (keeping.get(path) === turn) keeping.delete(path);
  }
}

async function keep(path: string, known?: number): Promise<number | undefined> {
  const now = await inode(path);
  if (now === undefined || now === known) return now;
  const kept = `${path}.kept`;
  const before = await inode(kept);
  if (now === before) return now;
  if (before !== undefined) await rename(kept, `${path}.1`);
  await link(path, kept).catch((error: unknown) => {
    if (!isMissing(error)) throw error; // replaced meanwhile; the next call links it
  });
  return inode(kept);
}

/** Removes a run's log files. */
export async function removeLog(path: string): Promise<void> {
  await Promise.all(["", ".1", ".kept", ".tmp"].map((suffix) => rm(`${path}${suffix}`, { force: true })));
}

/** The last line (of one stream, where that is named) that isn't empty, at most 1024 characters; empty where there is none. */
export async function lastLine(path: string, stream?: "stdout" | "stderr"): Promise<string> {
  const parser = createParser();
  const lines = [...parser.push(await readEnd(path, 16 << 10)), ...parser.end()];
  const last = lines
    .reverse()
    .find((line) => line.text.trim() !== "" && (stream === undefined || line.stream === stream));
  return last?.text.trim().slice(-1024) ?? "";
}

/** Joins partial lines. Each is given without its newline. */
export function createParser() {
  let rest = Buffer.alloc(0);
  const open = new Map<string, string>();
  const take = (raw: string): LogLine[] => {
    const [, at, stream, kind, text = ""] = /^(\S+) (stdout|stderr) ([FP]) ?(.*)$/s.exec(raw) ?? [];
    if (at === undefined || stream === undefined) return []; // the cut beginning of a file's end
    const whole = (open.get(stream) ?? "") + text;
    if (kind === "P" && whole.length < maxLine) {
      open.set(stream, whole);
      return [];
    }
    open.delete(stream);
    return [{ at, text: whole, stream }];
  };
  return {
    push(chunk: Buffer): LogLine[] {
      rest = Buffer.concat([rest, chunk]);
      const lines: LogLine[] = [];
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        lines.push(...take(rest.toString("utf8", 0, end)));
        rest = rest.subarray(end + 1);
      }
      return lines;
    },
    /** What is left when the file ends for good. */
    end(): LogLine[] {
      const lines = [...open].map(([stream, text]) => ({ at: new Date(0).toISOString(), text, stream }));
      open.clear();
      return lines;
    },
  };
}

interface ReadOptions extends LogOptions {
  /** Whether the run still goes on; asked when following. */
  running: () => boolean;
}

/** Lines of one run's log, each with a newline. */
export async function* readLog(path: string, options: ReadOptions): AsyncGenerator<string> {
  const wanted = (line: LogLine) => options.since === undefined || Date.parse(line.at) >= options.since;
  const shown = (line: LogLine) => `${options.timestamps ? `${line.at} ` : ""}${line.text}\n`;
  const parser = createParser();
  const current = await openLog(path);
  try {
    const before = await openLog(`${path}.1`);
    // Replaced just between the two: they are the same file.
    const earlier = before.inode === current.inode ? undefined : before.file;
    const files = [earlier, current.file].filter((file) => file !== undefined);
    try {
      // The last lines need all that is there; it is bounded by the log's size.
      const tail: LogLine[] = [];
      for (const file of files) {
        for await (const chunk of chunks(file, options.signal)) {
          for (const line of parser.push(chunk)) {
            if (!wanted(line)) continue;
            if (options.tailLines === undefined) yield shown(line);
            else if (options.tailLines > 0 && tail.push(line) > options.tailLines) tail.shift();
          }
        }
      }
      for (const line of tail) yield shown(line);
    } finally {
      await before.file?.close();
    }
    if (options.follow) {
      for await (const chunk of follow(path, current, options)) {
        for (const line of parser.push(chunk)) if (wanted(line)) yield shown(line);
      }
    }
    if (!options.signal.aborted) for (const line of parser.end()) yield shown(line);
  } finally {
    await current.file?.close();
  }
}

interface OpenLog {
  file: FileHandle | undefined;
  inode: number | undefined;
}

async function openLog(path: string): Promise<OpenLog> {
  try {
    const file = await open(path, "r");
    return { file, inode: (await file.stat()).ino };
  } catch (error) {
    if (isMissing(error)) return { file: undefined, inode: undefined };
    throw error;
  }
}

/** Goes on reading where `current` is; changes over to the file that replaces it. Ends when the run has ended and all is read. */
async function* follow(path: string, current: OpenLog, options: ReadOptions): AsyncGenerator<Buffer> {
  while (!options.signal.aborted) {
    const running = options.running();
    const now = await inode(path);
    if (current.file !== undefined) yield* chunks(current.file, options.signal);
    if (now !== undefined && now !== current.inode) {
      await current.file?.close();
      Object.assign(current, await openLog(path));
      continue;
    }
    if (!running) return;
    await sleep(followMs, undefined, { signal: options.signal, ref: false }).catch(() => {});
  }
}

/** Reads from the handle's own position to the present end. */
async function* chunks(file: FileHandle, signal: AbortSignal): AsyncGenerator<Buffer> {
  while (!signal.aborted) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function inode(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.ino,
    () => undefined,
  );
}
