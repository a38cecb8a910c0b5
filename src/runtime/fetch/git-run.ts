/** Runs git: with nothing of this machine's or the repository's own that could start programs, and without anybody to ask. */
import { spawn } from "node:child_process";
import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { getCACertificates } from "node:tls";

import { formatBytes } from "../../lib/bytes.ts";
import { SourceFault } from "../../lib/source/errors.ts";
import type { GitUrl } from "../../lib/source/git-url.ts";
import type { FetchContext } from "./context.ts";

export interface GitResult {
  ok: boolean;
  stdout: string;
  stderr: string;
}

/** Git for one source. */
export interface Git {
  /** Runs it in a directory. Lines of its standard error go to the log. */
  run(directory: string, args: readonly string[], options?: { quiet?: boolean }): Promise<GitResult>;
  /** Gives each part of its output that ends in NUL, until `take` throws. */
  each(directory: string, args: readonly string[], take: (part: string) => void): Promise<void>;
}

const watchMs = 500;

/** Prepares git for repositories of these transports. */
export async function prepareGit(ctx: FetchContext, transports: readonly GitUrl["transport"][]): Promise<Git> {
  const global = join(ctx.temporary, "gitconfig");
  await writeFile(global, `${await trustText(ctx)}${configText(ctx.env["HOME"] ?? "/")}`);
  const env = gitEnvironment(ctx, { global, transports });
  return {
    run: (directory, args, { quiet = false } = {}) => run(ctx, { env, directory, args, quiet }),
    each: (directory, args, take) => each({ env, directory, args }, take),
  };
}

/**
 * Where Node.js is given authorities besides the public ones, git trusts the same; it takes one file with all of them. What the user's configuration says for a server counts
 * more.
 */
async function trustText({ env, temporary }: FetchContext): Promise<string> {
  if ((env["NODE_EXTRA_CA_CERTS"] ?? "") === "") return "";
  const file = join(temporary, "authorities.pem");
  await writeFile(file, [...getCACertificates("default"), ...getCACertificates("system")].join("\n"));
  return `[http]\n\tsslCAInfo = ${JSON.stringify(file)}\n`;
}

/** The user's own configuration, which holds the credentials, and over it what must be so. */
function configText(home: string): string {
  return [
    "[include]",
    `\tpath = ${JSON.stringify(join(home, ".config/git/config"))}`,
    `\tpath = ${JSON.stringify(join(home, ".gitconfig"))}`,
    "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tattributesFile = /dev/null\n\texcludesFile = /dev/null",
    "[init]\n\ttemplateDir =\n\tdefaultBranch = main",
    "[submodule]\n\trecurse = false",
    "[maintenance]\n\tauto = false",
    "[gc]\n\tauto = 0",
    "[advice]\n\tdetachedHead = false",
    // Of repositories on this machine; whose they are was for the operator to look at.
    "[safe]\n\tdirectory = *",
    "",
  ].join("\n");
}

function gitEnvironment(
  ctx: FetchContext,
  { global, transports }: { global: string; transports: readonly string[] },
): NodeJS.ProcessEnv {
  const inherited = Object.entries(ctx.env).filter(([name]) => !name.startsWith("GIT_") && !name.startsWith("SSH_"));
  const home = ctx.env["HOME"] ?? "/";
  // ssh doesn't ask: without a terminal it couldn't anyway, and what it then says tells more.
  const ssh =
    ctx.env["GIT_SSH_COMMAND"] ??
    `ssh -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=${quote(`${home}/.ssh/known_hosts`)}`;
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: global,
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "",
    GIT_ALLOW_PROTOCOL: transports.join(":"),
    GIT_SSH_COMMAND: `${ssh} -o BatchMode=yes -o ConnectTimeout=30`,
    GIT_HTTP_LOW_SPEED_LIMIT: "1",
    GIT_HTTP_LOW_SPEED_TIME: "60",
    GIT_LFS_SKIP_SMUDGE: "1",
  };
}

/** A word of the command that git gives to a shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

interface Started {
  env: NodeJS.ProcessEnv;
  directory: string;
  args: readonly string[];
}

async function run(
  ctx: FetchContext,
  { env, directory, args, quiet }: Started & { quiet: boolean },
): Promise<GitResult> {
  const child = spawn("git", [...args], { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const lines = createInterface({ input: child.stderr });
  lines.on("line", (line) => {
    stderr = `${stderr}${line}\n`.slice(-64 * 1024);
    if (!quiet) ctx.log(line);
  });
  const watch = watchPacks(ctx, directory, () => child.kill("SIGKILL"));
  try {
    const code = await ended(child);
    if (watch.exceeded()) throw tooLarge(ctx);
    return { ok: code === 0, stdout, stderr };
  } finally {
    watch.stop();
  }
}

/** Ends git when what it has received gets too large: a server may send without end. */
function watchPacks(ctx: FetchContext, directory: string, stop: () => void): { exceeded(): boolean; stop(): void } {
  let exceeded = false;
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void packBytes(directory).then((bytes) => {
      looking = false;
      if (bytes <= ctx.budget.limits.bytes) return;
      exceeded = true;
      stop();
    });
  }, watchMs);
  return { exceeded: () => exceeded, stop: () => clearInterval(timer) };
}

async function packBytes(directory: string): Promise<number> {
  const packs = join(directory, ".git/objects/pack");
  const names = await readdir(packs).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(packs, name))
        .then(({ size }) => size)
        .catch(() => 0),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function tooLarge(ctx: FetchContext): SourceFault {
  return new SourceFault(
    `The repository sends more than ${formatBytes(ctx.budget.limits.bytes)}, the limit of a source: name a branch or tag instead of a commit, or take what is large out of it`,
  );
}

async function each({ env, directory, args }: Started, take: (part: string) => void): Promise<void> {
  const child = spawn("git", [...args], { cwd: directory, env, stdio: ["ignore", "pipe", "ignore"] });
  const code = ended(child);
  let rest = "";
  try {
    for await (const chunk of child.stdout.setEncoding("utf8") as AsyncIterable<string>) {
      const parts = `${rest}${chunk}`.split("\0");
      rest = parts.pop() ?? "";
      for (const part of parts) take(part);
    }
  } catch (error) {
    child.kill("SIGKILL");
    await code.catch(() => {});
    throw error;
  }
  if ((await code) !== 0) throw new Error(`git ${args.join(" ")} failed`);
}

function ended(child: ReturnType<typeof spawn>): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      reject(
        missing
          ? new SourceFault("Program git is not on the machine: install it with: apt-get install git", { cause: error })
          : error,
      );
    });
    child.once("close", (code) => resolve(code));
  });
}
