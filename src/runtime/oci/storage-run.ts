/** Runs the machine's tools (skopeo, podman, ip, nft): arguments as a list, input by stdin, output bounded. */
import { spawn } from "node:child_process";

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
  /** Ends the tool with SIGTERM. */
  signal?: AbortSignal;
}

/** A tool that ended with another code than 0, or couldn't be started. */
class ToolError extends Error {
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
 * Runs a tool to its end and gives how it ended, whatever the exit code.
 * @throws ToolError where it can't be started
 */
export function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
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
}

/**
 * Runs a tool that must succeed and gives its standard output.
 * @throws ToolError with the tool's own last words
 */
export async function needTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  const result = await runTool(command, args, options);
  if (result.code !== 0) {
    const words = result.stderr.trim().split("\n").slice(-5).join("; ");
    throw new ToolError(
      `${command} ${args.slice(0, 3).join(" ")} failed with exit code ${result.code}: ${words}`,
      result,
    );
  }
  return result.stdout.toString("utf8");
}
