/** Runs the machine's tools (skopeo, podman, ip, nft): arguments as a list, input by stdin, output bounded. */
import { spawn } from "node:child_process";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Launcher } from "./launcher.ts";

/** How a tool ended: its exit code (128 + signal number where a signal ended it) and what it wrote. */
export interface ToolResult {
  code: number;
  stdout: Buffer;
  stderr: string;
}

export interface ToolOptions {
  /** Set in addition to this process's environment. */
  env?: Record<string, string>;
  /** Working directory. */
  cwd?: string;
  /** Written to the tool's standard input. */
  input?: string;
}

/** Runs a tool to its end and gives how it ended, whatever the exit code. @throws Error where it can't be started */
export type RunTool = (command: string, args: readonly string[], options?: ToolOptions) => Promise<ToolResult>;

/** A tool that ended with another code than 0, or couldn't be started. */
export class ToolError extends Error {
  override readonly name = "ToolError";
  readonly result: ToolResult | undefined;
  constructor(message: string, result?: ToolResult, options?: ErrorOptions) {
    super(message, options);
    this.result = result;
  }
}

const keptOutput = 64 << 20;
const keptErrors = 256 << 10;

/**
 * Runs tools as children of this process, which stops its event loop for some milliseconds each: for short-lived programs.
 * @throws ToolError where one can't be started
 */
export const runTool: RunTool = (command, args, options = {}) => {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    let outBytes = 0;
    let stderr = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      outBytes += chunk.length;
      if (outBytes <= keptOutput) {
        out.push(chunk);
      }
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-keptErrors);
    });
    child.stdin?.on("error", () => {}); // the tool may end before it has read everything; its exit code says why
    child.stdin?.end(options.input);
    child.on("error", (error) =>
      reject(new ToolError(`Cannot run ${command}: ${error.message}`, undefined, { cause: error })),
    );
    child.on("close", (code, signal) =>
      resolve({ code: code ?? 128 + (signal === "SIGKILL" ? 9 : 15), stdout: Buffer.concat(out), stderr }),
    );
  });
};

/**
 * Runs tools by a launcher, so that starting one doesn't stop the event loop. One that isn't there ends with 127, as in a shell.
 * @param dir where the files that take a tool's output appear until it has ended
 */
export function launchedTools(launcher: Launcher, dir: string): RunTool {
  let last = 0;
  return async (command, args, { env, cwd, input } = {}) => {
    const file = join(dir, `tool-${process.pid}-${++last}`);
    const outputs = { stdout: `${file}.out`, stderr: `${file}.err` };
    try {
      const { code } = await launcher.run([command, ...args], {
        outputs,
        env: { ...process.env, ...env },
        ...(cwd === undefined ? {} : { cwd }),
        ...(input === undefined ? {} : { input }),
      });
      const [stdout, stderr] = await Promise.all([
        readPart(outputs.stdout, { most: keptOutput, from: "start" }),
        readPart(outputs.stderr, { most: keptErrors, from: "end" }),
      ]);
      return { code, stdout, stderr: stderr.toString("utf8") };
    } finally {
      await Promise.all(Object.values(outputs).map((path) => rm(path, { force: true })));
    }
  };
}

/**
 * The same for tools that say little: no files and a minimal environment; a result has both streams, joined to one line, as its `stdout` and
 * as its `stderr`.
 */
export function briefTools(launcher: Launcher): RunTool {
  return async (command, args, options = {}) => {
    const { code, output } = await launcher.run([command, ...args], options);
    return { code, stdout: Buffer.from(output), stderr: output };
  };
}

/** At most `most` bytes of a file, from its start or its end. */
async function readPart(path: string, { most, from }: { most: number; from: "start" | "end" }): Promise<Buffer> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, most));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from === "start" ? 0 : size - buffer.length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * Runs a tool that must succeed and gives its standard output; `run` says how, by default as a child.
 * @throws ToolError with the tool's own last words
 */
export async function needTool(
  command: string,
  args: readonly string[],
  { run = runTool, ...options }: ToolOptions & { run?: RunTool } = {},
): Promise<string> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    const what = `${command} ${args.slice(0, 3).join(" ")}`;
    throw new ToolError(`${what} failed with exit code ${result.code}: ${lastWords(result)}`, result);
  }
  return result.stdout.toString("utf8");
}

/** What a tool said at last, on one line. */
export function lastWords({ stderr }: { stderr: string }): string {
  return stderr.trim().split("\n").slice(-5).join("; ");
}
