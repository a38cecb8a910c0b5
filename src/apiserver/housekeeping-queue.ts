import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";

const firstDelayMs = 500;
const maxDelayMs = 60_000;
const parallel = 16;

export interface WorkQueueOptions {
  name: string;
  clock: Clock;
  log: Log;
  /** Does what there is to do about a key; a rejection is tried again, later each time. */
  work: (key: string) => Promise<void>;
}

/** Keys that something is to be done about: each once at a time, again when it was added meanwhile, with growing delays after failures. */
export class KeyQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, { again: boolean }>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Set<() => void>();
  #idle: PromiseWithResolvers<void> | undefined;
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  add(key: string): void {
    if (this.#stopped) return;
    const running = this.#running.get(key);
    if (running === undefined) this.#waiting.add(key);
    else running.again = true;
    setImmediate(() => this.#next());
  }

  /** Ends; resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    for (const cancel of this.#timers) cancel();
    if (this.#running.size === 0) return;
    this.#idle ??= Promise.withResolvers();
    await this.#idle.promise;
  }

  #next(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= parallel) return;
      this.#waiting.delete(key);
      const state = { again: false };
      this.#running.set(key, state);
      void this.#run(key).then(() => {
        this.#running.delete(key);
        if (state.again) this.add(key);
        else this.#next();
        if (this.#running.size === 0) this.#idle?.resolve();
      });
    }
  }

  async #run(key: string): Promise<void> {
    const { name, clock, log, work } = this.#options;
    try {
      await work(key);
      this.#failures.delete(key);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      const delay = Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1));
      log.warn({ error, name, key, delay }, "housekeeping failed");
      if (this.#stopped) return;
      const cancel = clock.after(delay, () => {
        this.#timers.delete(cancel);
        this.add(key);
      });
      this.#timers.add(cancel);
    }
  }
}
