/**
 * Starts processes for the OCI driver. Node forks the whole process to start a child, which stops the event loop for 2 ms at 40 MiB
 * and for 10 ms at 200 MiB; a shell of one megabyte does it in a fraction. So one small shell is kept, which is told what
 * to run: a constant script that reads argument lists line by line and never evaluates them. What it started outlives it.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { createInterface } from "node:readline";

/** How a command ended. `output` is what it wrote to both streams, joined to one line, at most about 2000 characters. */
export interface CommandResult {
  code: number;
  output: string;
}

interface CommandOptions {
  /** Working directory; `/` unless given. */
  cwd?: string;
  /**
   * `pipe` gives descriptor 3 to the command and takes its first line as output, without waiting for those who keep it: conmon's sync pipe.
   * `capped` cuts the output of commands that aren't trusted to be brief.
   */
  mode?: "plain" | "pipe" | "capped";
  /** Lines for the command's standard input, each ended by a newline; empty unless given. In plain mode and with `outputs` only. */
  input?: string;
  /** Variables beyond the minimal environment; left out are those whose value holds a line break and those that `isVariable` doesn't know. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Files, made or emptied, that get the two streams byte for byte instead of the result's `output`. In plain mode only. */
  outputs?: { stdout: string; stderr: string };
}

/** Runs commands. Close it when done: commands under way end by themselves. */
export interface Launcher {
  /** Runs a command by argument list, found on a fixed PATH with a minimal environment; resolves with how it ended, whatever the code. */
  run(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  close(): void;
}

/*
 * A request is: id, mode, working directory, the files of the outputs, number of arguments, then the arguments, a line each, and the same for
 * variables and input. An answer: id, code, output, in one line.
 * `jobs` collects those that have ended. A reader of the pipe mode reads one line only: `read` is built in and costs no process.
 */
const script = `
nl='
'
answer() {
  set -f; IFS=$nl; id=$1; code=$2; out=$3; set -- $out; IFS=' '
  printf '%s %s %s\\n' "$id" "$code" "$*"
}
variables() {
  set -f; IFS=$nl
  for variable in $1; do export "$variable"; done
  set +f; IFS=' '
}
while IFS= read -r id && IFS= read -r mode && IFS= read -r dir && IFS= read -r stdout && IFS= read -r stderr && IFS= read -r count; do
  set --
  while [ "$count" -gt 0 ]; do IFS= read -r arg; set -- "$@" "$arg"; count=$((count - 1)); done
  IFS= read -r count; env=
  while [ "$count" -gt 0 ]; do IFS= read -r arg; env=$env$arg$nl; count=$((count - 1)); done
  IFS= read -r count; text=
  while [ "$count" -gt 0 ]; do IFS= read -r arg; text=$text$arg$nl; count=$((count - 1)); done
  if [ "$mode" = pipe ]; then
    { cd "$dir" && variables "$env" && exec "$@" 3>&1 >/dev/null; } </dev/null 2>/dev/null | { IFS= read -r line; answer "$id" 0 "$line"; } &
  else {
    if ! cd "$dir"; then answer "$id" 125 "Cannot enter $dir"; exit; fi
    variables "$env"
    if [ -n "$stdout" ]; then
      if [ -n "$text" ]; then printf %s "$text" | "$@" >"$stdout" 2>"$stderr"; else "$@" >"$stdout" 2>"$stderr"; fi
      answer "$id" "$?"
    elif [ "$mode" = capped ]; then
      out=$({ "$@" 2>&1; printf '\\n%s\\n' "$?"; } | { head -c 2000; tail -c 5; })
      answer "$id" "\${out##*$nl}" "\${out%$nl*}"
    elif [ -n "$text" ]; then out=$(printf %s "$text" | "$@" 2>&1); answer "$id" "$?" "$out"
    else out=$("$@" 2>&1); answer "$id" "$?" "$out"
    fi
  } </dev/null 2>/dev/null &
  fi
  jobs >/dev/null
done
`;

type Shell = ChildProcessByStdio<Writable, Readable, null>;

interface Waiting {
  resolve(result: CommandResult): void;
  reject(error: Error): void;
}

/** Names that the script and the shell leave alone: what tools look at is in capitals, `https_proxy` and its like apart. */
function isVariable(name: string): boolean {
  return (
    /^([A-Z_][A-Z0-9_]*|[a-z]+_proxy)$/.test(name) && !/^(IFS|ENV|PPID|E?UID|BASH.*|SHELLOPTS|OLDPWD|PWD)$/.test(name)
  );
}

/** A launcher with its shell started. The shell is started again when it is lost; commands that were under way then reject. */
export function createLauncher(): Launcher {
  const waiting = new Map<string, Waiting>();
  let shell: Shell | undefined;
  let closed = false;
  let last = 0;

  const start = (): Shell => {
    const child: Shell = spawn("/bin/sh", ["-c", script], {
      stdio: ["pipe", "pipe", "ignore"],
      cwd: "/",
      detached: true, // signals to control's process group aren't for it
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", _OCI_SYNCPIPE: "3" },
    });
    const lost = (error: Error) => {
      if (shell !== child) return;
      shell = undefined;
      for (const one of waiting.values()) one.reject(new Error("The process launcher has ended", { cause: error }));
      waiting.clear();
    };
    child.on("error", lost);
    child.on("exit", (code, signal) => lost(new Error(`sh ended with ${signal ?? code}`)));
    child.stdin.on("error", lost);
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, id = "", code = "", output = ""] = /^(\d+) (\d+) ?(.*)$/s.exec(line) ?? [];
      waiting.get(id)?.resolve({ code: Number(code), output });
      waiting.delete(id);
      if (closed && waiting.size === 0) shell?.stdin.end();
    });
    child.unref();
    return child;
  };
  shell = start();

  return {
    run: (args, options = {}) =>
      new Promise((resolve, reject) => {
        if (closed) throw new Error("The process launcher is closed");
        const cwd = options.cwd ?? "/";
        const { stdout = "", stderr = "" } = options.outputs ?? {};
        const broken = [cwd, stdout, stderr, ...args].find((arg) => /[\n\0]/.test(arg));
        if (broken !== undefined) {
          throw new TypeError(`Cannot run ${args[0] ?? "nothing"}: argument "${broken}" holds a line break`);
        }
        const id = String(++last);
        waiting.set(id, { resolve, reject });
        shell ??= start();
        const input = options.input === undefined ? [] : options.input.replace(/\n$/, "").split("\n");
        const variables = Object.entries(options.env ?? {})
          .filter(([name, value]) => isVariable(name) && value !== undefined && !/[\n\0]/.test(value))
          .map(([name, value]) => `${name}=${value ?? ""}`);
        const head = [id, options.mode ?? "plain", cwd, stdout, stderr];
        const lists = [args, variables, input].flatMap((list) => [list.length, ...list]);
        shell.stdin.write(`${[...head, ...lists].join("\n")}\n`);
      }),
    close: () => {
      closed = true;
      if (waiting.size === 0) shell?.stdin.end();
    },
  };
}
