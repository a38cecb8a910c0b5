/** A lock among the installations of a machine, for what they share of its kernel. */
import { spawn } from "node:child_process";

/** Exists everywhere, is root's, and needs no file of ours. */
const locked = "/run";
const waitSeconds = "20";

/**
 * Runs `work` while no other process of this machine runs its own. The lock is flock(1)'s, held by a child whose standard input is
 * ours, so it ends with us, however that is.
 * @throws Error where the lock can't be had within 20 seconds
 */
export async function withMachineLock<T>(work: () => Promise<T>): Promise<T> {
  const child = spawn("flock", ["--wait", waitSeconds, locked, "cat"], { stdio: ["pipe", "pipe", "ignore"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) =>
        reject(new Error(`Cannot lock "${locked}": flock ended with ${code}; another elafros holds it`)),
      );
      child.stdin.on("error", () => {}); // its end says why
      child.stdout.once("data", () => resolve()); // cat runs, so the lock is ours
      child.stdin.write("\n");
    });
    return await work();
  } finally {
    child.stdin.end();
    if (child.pid !== undefined) await ended;
  }
}
