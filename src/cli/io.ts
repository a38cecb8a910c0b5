/**
 * Where a command's words go, and how: plain lines on pipes; colours and a spinner on a terminal.
 */
import type { Clock } from "../lib/clock.ts";

interface Stream {
  /** False where the reader is slower than the writer: `drain` tells when to go on. */
  write(data: string | Uint8Array): unknown;
  once?(event: "drain", listener: () => void): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface Io {
  /** One line of the answer, on standard output. */
  line(text?: string): void;
  /** Text as it is, on standard output. */
  write(text: string): void;
  /** Bytes as they are, on standard output; resolves once the next ones may come. */
  writeBytes(data: Uint8Array): Promise<void>;
  /** One line for the person, on standard error: notes, warnings, errors. */
  note(text: string): void;
  /** Whether standard output is a terminal. */
  terminal: boolean;
  paint: Paint;
  /** Standard input to its end. */
  readInput(): Promise<string>;
  /** The same, as bytes. */
  readInputBytes(): Promise<Buffer>;
}

interface Paint {
  green(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

export interface IoOptions {
  stdout: Stream;
  stderr: Stream;
  stdin: AsyncIterable<Uint8Array | string>;
  env: Readonly<Record<string, string | undefined>>;
}

/** Colours follow https://no-color.org; `TERM=dumb` has neither colours nor cursor. */
export function createIo({ stdout, stderr, stdin, env }: IoOptions): Io {
  const terminal = stdout.isTTY === true && env["TERM"] !== "dumb";
  const coloured = terminal && (env["NO_COLOR"] ?? "") === "";
  const colour = (code: number) => (text: string) => (coloured ? `\u001B[${code}m${text}\u001B[0m` : text);
  return {
    line: (text = "") => void stdout.write(`${text}\n`),
    write: (text) => void stdout.write(text),
    writeBytes: async (data) => {
      if (stdout.write(data) !== false || stdout.once === undefined) return;
      await new Promise<void>((resolve) => stdout.once?.("drain", resolve));
    },
    note: (text) => void stderr.write(`${text}\n`),
    terminal,
    paint: { green: colour(32), red: colour(31), yellow: colour(33), dim: colour(2), bold: colour(1) },
    readInput: async () => (await readBytes(stdin)).toString("utf8"),
    readInputBytes: () => readBytes(stdin),
  };
}

async function readBytes(stdin: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}

/** The same, with what goes to standard output on standard error instead: for progress beside an answer that programs read. */
export function aside(io: Io): Io {
  return {
    ...io,
    line: (text = "") => io.note(text),
    write: () => {},
    writeBytes: () => Promise.resolve(),
    terminal: false,
  };
}

/** Steps that are shown while they run and ticked once done. */
export interface Progress {
  /** What is going on now; replaces the step before without ticking it. */
  start(label: string): void;
  /** Prints a line above the running step. */
  log(line: string): void;
  /** Ticks a step: `✓ label`. */
  done(label: string): void;
  /** Crosses the running step out: `✗ label`. */
  fail(): void;
  /** Clears what is not finished. */
  stop(): void;
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const frameMs = 80;
const clearLine = "\r\u001B[K";

const barCells = 17;

/** `[=======>         ]` for a part of a whole; full once it is all. */
export function bar(part: number, whole: number): string {
  const cells = whole <= 0 ? barCells : Math.min(barCells, Math.floor((part / whole) * barCells));
  const head = cells < barCells ? ">" : "";
  return `[${`${"=".repeat(cells)}${head}`.padEnd(barCells)}]`;
}

/** On a terminal a spinner; on a pipe only the ticked lines. */
export function createProgress(io: Io, clock: Clock): Progress {
  let label: string | undefined;
  let frame = 0;
  let cancel = () => {};
  const draw = () => {
    io.write(`${clearLine}${io.paint.dim(frames[frame++ % frames.length] ?? "")} ${label ?? ""}`);
    cancel = clock.after(frameMs, draw);
  };
  const clear = () => {
    cancel();
    if (io.terminal && label !== undefined) io.write(clearLine);
    label = undefined;
  };
  return {
    start(text) {
      if (label === text) return;
      clear();
      label = text;
      if (io.terminal) draw();
    },
    log(line) {
      const running = label;
      clear();
      io.line(line);
      if (running === undefined) return;
      label = running;
      if (io.terminal) draw();
    },
    done(text) {
      clear();
      io.line(`${io.paint.green("✓")} ${text}`);
    },
    fail() {
      const failed = label;
      clear();
      if (failed !== undefined) io.line(`${io.paint.red("✗")} ${failed}`);
    },
    stop: clear,
  };
}
