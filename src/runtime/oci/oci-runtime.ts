/**
 * The OCI runtime (crun or runc) with conmon as the instance's monitor: conmon creates the container, is its parent, writes its output to the log and its exit
 * code to a file, and needs nobody of ours for that.
 */
import { constants } from "node:fs";
import { access, open, rename, rm, unlink } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isMissing } from "./files.ts";
import type { CommandResult, Launcher } from "./launcher.ts";
import { containerId, type ContainerPaths, type InstanceRecord } from "./record.ts";

export interface OciRuntime {
  readonly name: "crun" | "runc";
  /** Directory in which conmon writes `CONTAINER-ID` files with exit codes. */
  readonly exits: string;
  /** Creates the container of a run and gives the pid of its first process, which waits for `start`. @throws CommandError */
  create(run: Pick<InstanceRecord, "id" | "attempt">, paths: ContainerPaths): Promise<number>;
  /** Runs a bundle to its end. */
  run(bundle: string, cid: string): Promise<CommandResult>;
  /** Lets the first process go on to the instance's own program. */
  start(cid: string, alive: () => boolean): Promise<void>;
  /** Whether it was created and not started: control died in between. */
  isHeld(cid: string): Promise<boolean>;
  /** Runs a further process, described by a file, inside; its pid is written to `pidFile`. */
  exec(cid: string, files: { process: string; pidFile: string }): Promise<CommandResult>;
  /** Kills what is left of a container and forgets it. Nothing happens where there is none. */
  remove(cid: string): Promise<void>;
  /** Container ids that have state here. */
  readonly state: string;
}

/** The program couldn't be started; `code` is what a shell would say: 127 not found, 126 not executable. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

interface RuntimeOptions {
  launcher: Launcher;
  cgroupVersion: 1 | 2;
  /** Directory for its state, sockets and exit codes. */
  dir: string;
  /** Most bytes in the current log file of an instance. */
  logFileBytes: number;
}

/**
 * Finds crun (faster; needs control groups of version 2) or runc, and conmon.
 * @throws Error naming the package that is missing
 */
export async function findRuntime(options: RuntimeOptions): Promise<OciRuntime> {
  const [conmon, crun, runc] = await Promise.all(["conmon", "crun", "runc"].map(findProgram));
  if (conmon === undefined)
    throw new Error("Cannot run instances: conmon is missing; install it with: apt-get install conmon");
  if (crun !== undefined && options.cgroupVersion === 2)
    return makeRuntime(options, { name: "crun", path: crun, conmon });
  if (runc !== undefined) return makeRuntime(options, { name: "runc", path: runc, conmon });
  throw new Error(
    options.cgroupVersion === 2
      ? "Cannot run instances: no OCI runtime is installed; install one with: apt-get install crun"
      : "Cannot run instances: with control groups of version 1 runc is needed; install it with: apt-get install runc",
  );
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const dir of [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]) {
    const path = join(dir, name);
    if (!path.startsWith("/")) continue;
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

function makeRuntime(
  { launcher, dir, logFileBytes }: RuntimeOptions,
  program: { name: "crun" | "runc"; path: string; conmon: string },
): OciRuntime {
  const state = join(dir, "oci");
  const sockets = join(dir, "s");
  const exits = join(dir, "exits");
  const fifo = (cid: string) => join(state, cid, "exec.fifo");
  const call = [program.path, "--root", state];
  return {
    name: program.name,
    exits,
    state,

    create: async (run, paths) => {
      const cid = containerId(run);
      const { output } = await launcher.run(
        [
          [program.conmon, "--api-version", "1", "--cid", cid, "--name", cid],
          ["--cuuid", socketName(cid), "--socket-dir-path", sockets],
          ["--runtime", program.path, "--runtime-arg", "--root", "--runtime-arg", state],
          ["--bundle", paths.bundle, "--container-pidfile", paths.pid, "--conmon-pidfile", paths.monitorPid],
          ["--exit-dir", exits, "--log-path", `k8s-file:${paths.log(run.attempt)}`],
          ["--log-size-max", String(logFileBytes), "--no-sync-log", "--log-level", "error"],
        ].flat(),
        { mode: "pipe", cwd: paths.base },
      );
      const answer = parseAnswer(output);
      if (answer.pid === undefined) throw createError(program.name, answer.message);
      return answer.pid;
    },

    run: (bundle, cid) => launcher.run([...call, "run", "--bundle", bundle, cid], { mode: "capped" }),

    start: async (cid, alive) => {
      if (program.name === "runc") return release(fifo(cid), alive);
      const result = await launcher.run([...call, "start", cid]);
      if (result.code !== 0) throw createError(program.name, result.output);
    },

    isHeld: async (cid) => {
      try {
        await finishStart(fifo(cid));
        await access(fifo(cid));
        return true;
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
    },

    exec: (cid, files) =>
      launcher.run([...call, "exec", "--process", files.process, "--pid-file", files.pidFile, cid], { mode: "capped" }),

    remove: async (cid) => {
      await launcher.run([...call, "delete", "--force", cid]);
      await Promise.all([
        rm(join(state, cid), { recursive: true, force: true }),
        rm(join(sockets, socketName(cid)), { recursive: true, force: true }),
        rm(join(exits, cid), { force: true }),
      ]);
    },
  };
}

/** The end of a container's id, which is what is unique in it: socket paths are short (unix(7)). */
function socketName(cid: string): string {
  return cid.slice(-14).replace(/^[^a-z0-9]+/, "");
}

/** conmon's answer on its sync pipe: `{"data": PID}`, or -1 and a message. */
function parseAnswer(line: string): { pid?: number; message: string } {
  try {
    const { data, message } = JSON.parse(line) as { data?: unknown; message?: unknown };
    if (typeof data === "number" && data > 0) return { pid: data, message: "" };
    return { message: typeof message === "string" ? message : line };
  } catch {
    return { message: line === "" ? "conmon ended without an answer" : `conmon ended: ${line}` };
  }
}

/** Tells a program that isn't there or can't be run from everything else that can go wrong with a start. */
function createError(runtime: string, message: string): Error {
  const text = message
    .replace(/^time="[^"]*" level=\w+ msg="(.*)"$/s, "$1")
    .replaceAll('\\"', '"')
    .replace(/^(runc|crun) (create|run|start) failed: (unable to start container process: )?/, "")
    .trim();
  const [, reason] =
    /exec: "?.*"?: (executable file not found in \$PATH|.*no such file or directory)/s.exec(text) ?? [];
  if (reason !== undefined || /executable file `.*` not found|open executable: No such file/.test(text)) {
    return new CommandError(127, text);
  }
  if (/exec: .*(permission denied|is a directory)|open executable: Permission denied/is.test(text)) {
    return new CommandError(126, text);
  }
  return new Error(`Cannot start container: ${runtime}: ${text}`);
}

/**
 * What `runc start` does, without its process: the container's first process waits until somebody opens the FIFO for reading, and its state is
 * "running" once the FIFO is gone.
 */
async function release(path: string, alive: () => boolean): Promise<void> {
  // First, so that who is killed from here on leaves no container that looks as if it had not been started.
  await rename(path, startedName(path));
  await letGo(startedName(path), alive);
}

const startedName = (path: string): string => `${path}.started`;
/** How long a first process that still waits may take to go on. */
const goOnMs = 5_000;

/** Ends a start in whose middle control was killed. Nothing happens where there is none. */
async function finishStart(path: string): Promise<void> {
  const until = Date.now() + goOnMs;
  // Where it had gone on already, nothing more is written.
  await letGo(startedName(path), () => Date.now() < until).catch(() => {});
  await rm(startedName(path), { force: true });
}

async function letGo(path: string, alive: () => boolean): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(1);
    let ended = false;
    for (;;) {
      const bytes = await file.read(buffer, 0, 1).then(
        (result) => result.bytesRead,
        (error: NodeJS.ErrnoException) => {
          if (error.code === "EAGAIN") return 0;
          throw error;
        },
      );
      if (bytes === 1) break;
      if (ended) throw new Error("Cannot start container: it ended before it was started");
      // A program that ends at once may have been let go between the two: what it wrote is still there.
      ended = !alive();
      if (!ended) await sleep(1);
    }
  } finally {
    await file.close();
  }
  await unlink(path);
}
