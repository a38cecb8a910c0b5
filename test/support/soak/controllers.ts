/** Two processes of controllers, one of which leads; each that ends is started again, as a kubelet would. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { ControlMessage, ControlSettings } from "./control-child.ts";

const program = join(import.meta.dirname, "control-child.ts");
/** What a kubelet takes at least. */
const restartMs = 1_000;
const patienceMs = 180_000;
const graceMs = 30_000;

export interface Memory {
  /** Bytes after a collection. */
  heap: number;
  resident: number;
}

export class Controllers {
  readonly #settings: Omit<ControlSettings, "pod">;
  readonly #running = new Set<ChildProcess>();
  #leader: ChildProcess | undefined;
  #started = 0;
  #stopping = false;
  /** How those ended that have, for whoever looks into a failure. */
  readonly #ends: string[] = [];
  /** How often one began to lead. */
  led = 0;

  constructor(settings: Omit<ControlSettings, "pod">) {
    this.#settings = settings;
  }

  start(count: number): void {
    for (let number = 0; number < count; number += 1) this.#spawn();
  }

  #spawn(): void {
    if (this.#stopping) return;
    this.#started += 1;
    const pod = { name: `controller-${this.#started}`, address: "127.0.0.1" };
    const child = fork(program, [JSON.stringify({ ...this.#settings, pod })], {
      execArgv: ["--expose-gc"],
      env: { ...process.env, ELAFROS_LOG: process.env["ELAFROS_LOG"] ?? "error" },
    });
    this.#running.add(child);
    child.on("message", (message: ControlMessage) => {
      if (message.is !== "leads") return;
      this.#leader = child;
      this.led += 1;
    });
    child.once("exit", (status, signal) => {
      this.#running.delete(child);
      this.#ends.push(`${pod.name}: ${signal ?? status}`);
      if (this.#leader === child) this.#leader = undefined;
      setTimeout(() => this.#spawn(), restartMs);
    });
  }

  /** Resolves once one leads. */
  async leading(): Promise<ChildProcess> {
    const end = Date.now() + patienceMs;
    while (this.#leader === undefined) {
      if (Date.now() > end) throw new Error(`No controller leads; ended have ${this.#ends.join(", ") || "none"}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.#leader;
  }

  /** Ends the one that leads, and gives how long it took until another did, in milliseconds. */
  async replace(signal: "SIGTERM" | "SIGKILL"): Promise<number> {
    const leader = await this.leading();
    const began = performance.now();
    leader.kill(signal);
    await once(leader, "exit");
    await this.leading();
    return performance.now() - began;
  }

  /** What the one that leads holds. */
  async memory(): Promise<Memory> {
    const leader = await this.leading();
    const { promise, resolve, reject } = Promise.withResolvers<Memory>();
    const answered = (message: ControlMessage) => {
      if (message.is === "memory") resolve({ heap: message.heap, resident: message.resident });
    };
    const ended = () => reject(new Error("The controller has ended"));
    leader.on("message", answered).on("exit", ended);
    leader.send("memory");
    try {
      return await promise;
    } finally {
      leader.off("message", answered).off("exit", ended);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      [...this.#running].map(async (child) => {
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        // One that was just beginning to lead ends what it asks for first.
        const kill = setTimeout(() => child.kill("SIGKILL"), graceMs);
        await ended;
        clearTimeout(kill);
      }),
    );
  }
}
