/**
 * Runs the person's own git against a repository elsewhere, with their own access to it. It never asks for a password: a command
 * that waits for one behind a progress line would only seem to hang.
 */
import { execFile } from "node:child_process";
import { FailureError } from "../errors.ts";

export interface GitRun {
  /** The repository as messages may show it. */
  shown: string;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
}

const timeoutMs = 120_000;

/**
 * Runs it and gives its output.
 * @throws FailureError with what git said
 */
export function runGit(words: readonly string[], { shown, cwd, env, signal }: GitRun): Promise<string> {
  const own = {
    ...env,
    GIT_TERMINAL_PROMPT: "0",
    GIT_SSH_COMMAND: env["GIT_SSH_COMMAND"] ?? "ssh -o BatchMode=yes",
    LC_ALL: "C",
  };
  return new Promise((resolve, reject) => {
    const options = { cwd, env: own, signal, timeout: timeoutMs, maxBuffer: 256 * 1024 * 1024 };
    execFile("git", [...words], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (signal.aborted) reject(signal.reason as Error);
      else reject(explain(error, stderr, shown));
    });
  });
}

const suggestions = /^(Could not read from remote|Please make sure|and the repository exists|Cloning into)/i;

function explain(error: Error & { code?: unknown; killed?: boolean }, stderr: string, shown: string): FailureError {
  const what = `Cannot read the repository ${JSON.stringify(shown)}`;
  const cause = { cause: error };
  if (error.code === "ENOENT") {
    return new FailureError(`${what}: there is no git on this machine; install it (apt-get install git)`, cause);
  }
  if (error.killed === true) return new FailureError(`${what}: no answer within ${timeoutMs / 1000} seconds`, cause);
  const said = stderr
    .split("\n")
    .map((line) => line.replace(/^(fatal|remote|error): /, "").trim())
    .filter((line) => line !== "");
  // The first line is what happened; the last ones only suggest what to check.
  const reason = said.find((line) => !suggestions.test(line));
  const hint =
    /could not read (Username|Password)|Authentication failed|Permission denied|terminal prompts disabled/i.test(stderr)
      ? "; git on this machine must be able to read it without asking: set up a credential helper or an ssh key"
      : "";
  return new FailureError(`${what}: ${reason ?? said[0] ?? error.message}${hint}`, cause);
}
