/** Runs buildah and skopeo; what they say goes to the build's log as it comes. */
import { spawn } from "node:child_process";

export interface Ended {
  code: number;
  /** The last lines of what it said. */
  lines: string[];
}

const keptLines = 400;

/** Runs a tool to its end. @throws where it can't be started */
export function runLogged(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  return runTold(command, args, { env, tell: (line) => process.stdout.write(`${line}\n`) });
}

interface Told {
  env: NodeJS.ProcessEnv;
  /** Told each line as it comes. */
  tell?: (line: string) => void;
}

/** The same, told to whom it may concern. @throws where it can't be started */
export function runTold(command: string, args: readonly string[], { env, tell = () => {} }: Told): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      let rest = "";
      const take = (text: string) => {
        const parts = (rest + text).split("\n");
        rest = parts.pop() ?? "";
        for (const line of parts) {
          lines.push(line);
          tell(line);
        }
        if (lines.length > keptLines) lines.splice(0, lines.length - keptLines);
      };
      stream.setEncoding("utf8").on("data", take);
      stream.once("end", () => {
        if (rest !== "") take("\n");
      });
    }
    child.once("error", (error) => reject(new Error(`Cannot run ${command}: ${error.message}`, { cause: error })));
    child.once("close", (code) => resolve({ code: code ?? 1, lines }));
  });
}

/** Runs a tool that says little and gives what it wrote to its output; undefined where it failed. */
export function ask(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    child.once("error", () => resolve(undefined));
    child.once("close", (code) => resolve(code === 0 ? text.trim() : undefined));
  });
}
