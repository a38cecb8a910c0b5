/**
 * How a supervisor hands over to the next one, of other files, while everything runs (`elafros upgrade`). The old one starts the new one as
 * a child with an IPC channel, so that it stays where the old one is (systemd's control group), and:
 *
 *     old                                    new
 *     sends the listening sockets ─────────▶ takes them, reads the settings, prepares the machine
 *                                  ◀──────── prepared
 *     looks after nothing any more,
 *     gives the data directory's lock back ▶ released
 *                                            locks it, takes the processes over, serves commands
 *                                  ◀──────── {"ready":true} on standard output, as at each start
 *     ends
 *
 * Until the last step the old one can go on as if nothing had been: where the new one ends, says an error, or says nothing, it does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Log } from "../../lib/log.ts";
import type { ListeningSocket } from "../../lib/listening-socket.ts";
import { type Sockets, namedSockets } from "./sockets.ts";

/** Set for a process that is to succeed the supervisor that started it. */
const successorVariable = "ELAFROS_SUCCESSOR";
const stepMs = 60_000;

export interface SuccessionOptions {
  /** The new supervisor's program and arguments, less the data directory. */
  command: readonly string[];
  dataDir: string;
  sockets: Sockets;
  log: Log;
  /** Looks after nothing any more, and gives back the lock. */
  release: () => Promise<void>;
  /** Looks after everything again. */
  resume: () => Promise<void>;
}

/** Hands over to a new supervisor; resolves with its pid when it serves. Rejects with the reason why it doesn't, when this one looks after everything again. */
export async function handOver({
  command,
  dataDir,
  sockets,
  log,
  release,
  resume,
}: SuccessionOptions): Promise<number> {
  const [program = "", ...args] = command;
  const child = spawn(program, [...args, dataDir], {
    detached: true,
    cwd: "/",
    stdio: ["ignore", "pipe", "inherit", "ipc"],
    env: { ...process.env, [successorVariable]: "1" },
  });
  const words = listen(child);
  let released = false;
  try {
    sendSockets(child, sockets);
    await words.next("prepared");
    released = true;
    await release();
    child.send({ type: "released" });
    await words.next("ready");
  } catch (error) {
    await end(child);
    if (released) await resume();
    throw error;
  }
  const { pid } = child;
  if (pid === undefined) throw new Error("it has no pid");
  log.info({ pid }, "handed over to the next supervisor");
  child.stdout?.destroy();
  if (child.connected) child.disconnect();
  child.unref();
  return pid;
}

/** Whether this process was started to succeed the supervisor that is its parent. */
export function isSuccessor(): boolean {
  return process.env[successorVariable] === "1" && process.send !== undefined;
}

/** For the successor: says that it is prepared, and resolves when the old one looks after nothing any more, or is gone. */
export async function untilReleased(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.on("message", (message) => {
      if ((message as { type?: string }).type === "released") resolve();
    });
    process.once("disconnect", () => resolve());
    if (process.connected) process.send?.({ type: "prepared" }, undefined, undefined, () => {});
    else resolve();
  });
}

/** For the successor: it serves, and needs the old one no more. */
export function forgetPredecessor(): void {
  process.removeAllListeners("message");
  // What it starts is no successor.
  delete process.env[successorVariable];
  if (process.connected) process.disconnect?.();
}

/** As in Node's documentation: message, handle, options, callback. Its types know no bare handles. */
type Send = (message: object, handle: ListeningSocket, options: object, done: () => void) => boolean;

function sendSockets(child: ChildProcess, sockets: Sockets): void {
  const all = Object.entries(namedSockets(sockets));
  const send = child.send.bind(child) as unknown as Send;
  // A bare handle isn't accepted on by the receiver, where a net.Server would be.
  for (const [socket, handle] of all) send({ socket, of: all.length }, handle, {}, () => {});
}

/** What the successor says, one after the other. */
function listen(child: ChildProcess): { next(word: "prepared" | "ready"): Promise<void> } {
  const said = new Set<string>();
  let failure: string | undefined;
  let wake = (): void => {};
  const fail = (why: string): void => {
    failure ??= why;
    wake();
  };
  child.on("message", (message) => {
    const { type } = message as { type?: string };
    if (type !== undefined) said.add(type);
    wake();
  });
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (part: string) => {
    output += part;
    const [line, ...more] = output.split("\n");
    if (line === undefined || more.length === 0) return;
    const { ready, error } = readyOrError(line);
    if (ready === true) said.add("ready");
    else fail(error ?? `it said ${line}`);
    wake();
  });
  child.on("error", (error) => fail(error.message));
  // What it said last comes after its exit.
  child.once("exit", (code, signal) => child.once("close", () => fail(`it ended with ${signal ?? `code ${code}`}`)));
  return {
    next: (word) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => fail(`it was not ${word} after ${stepMs / 1_000} s`), stepMs);
        wake = () => {
          if (!said.has(word) && failure === undefined) return;
          clearTimeout(timer);
          if (said.has(word)) resolve();
          else reject(new Error(failure));
        };
        wake();
      }),
  };
}

/** What a line says; another program than expected may say anything. */
function readyOrError(line: string): { ready?: boolean; error?: string } {
  try {
    return (JSON.parse(line) as { ready?: boolean; error?: string } | null) ?? {};
  } catch {
    return {};
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
  });
  // By SIGTERM a supervisor ends all that it looks after.
  child.kill("SIGKILL");
  await ended;
}
