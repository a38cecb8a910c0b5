import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { type PlatformConfig, platformPaths } from "../config.ts";
import { nodeFlags, programPath } from "./programs.ts";

/**
 * Starts a supervisor in a session of its own, with the sockets of processes that a killed one left, where there are any.
 * @returns its pid, once everything serves
 * @throws Error with the sentence that says why it doesn't
 */
export async function launchSupervisor(dataDir: string, settings: Partial<PlatformConfig>): Promise<number> {
  const paths = platformPaths(dataDir);
  await mkdir(paths.run, { recursive: true, mode: 0o700 });
  await mkdir(paths.logs, { recursive: true, mode: 0o700 });
  const connection = (await connect(paths.handoverSockets.control)) ?? (await connect(paths.handoverSockets.gateway));
  const logFile = await open(join(paths.logs, "supervisor.log"), "a", 0o600);
  const child = spawn(process.execPath, [...nodeFlags, programPath("main"), dataDir], {
    detached: true,
    cwd: "/",
    stdio: ["ignore", "pipe", logFile.fd, ...(connection === undefined ? [] : [connection.fd])],
    env: {
      NODE_COMPILE_CACHE: paths.compiled,
      ...process.env,
      ELAFROS_SETTINGS: JSON.stringify(settings),
      // Its end of the connection is its IPC channel: the only one that carries descriptors.
      ...(connection === undefined ? {} : { NODE_CHANNEL_FD: "3" }),
    },
  });
  connection?.socket.destroy();
  await logFile.close();
  const { stdout } = child;
  if (stdout === null) throw new Error("The supervisor has no standard output");
  let output = "";
  stdout.setEncoding("utf8").on("data", (part: string) => (output += part));
  // The supervisor is in a session of its own: who interrupts this process means it.
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    child.kill("SIGTERM");
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, interrupt);
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => resolve());
    stdout.on("data", () => output.includes("\n") && resolve());
    stdout.once("end", () => resolve());
  }).finally(() => {
    for (const signal of signals) process.off(signal, interrupt);
  });
  const [line = ""] = output.split("\n");
  const answer = JSON.parse(line === "" ? "{}" : line) as { ready?: boolean; error?: string };
  if (answer.ready === true && child.pid !== undefined) {
    child.unref();
    stdout.destroy();
    return child.pid;
  }
  // Until it has ended it holds the directory.
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  if (interrupted) throw new Error("Interrupted while starting: what had started is stopped again");
  throw new Error(answer.error ?? `The supervisor ended at once: see ${join(paths.logs, "supervisor.log")}`);
}

/** A connection that nobody reads from, so that the supervisor gets all that comes. */
async function connect(path: string): Promise<{ fd: number; socket: net.Socket } | undefined> {
  const socket = net.connect({ path });
  socket.pause();
  return new Promise((resolve) => {
    socket.once("error", () => resolve(undefined));
    socket.once("connect", () => {
      const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
      resolve({ fd, socket });
    });
  });
}
