/**
 * When an instance is asked, and what its answers mean: startup first, then readiness and liveness side by side. Kubernetes' rules, except that
 * an instance that isn't ready yet is asked every few milliseconds instead of each `period`: only what fails on the period counts as a failure.
 */
import type { Clock } from "../../lib/clock.ts";
import type { InstanceSpec, ProbeSpec } from "../workloads.ts";
import type { ProbeResult } from "./probe.ts";

export interface ProberOptions {
  spec: Pick<InstanceSpec, "startup" | "readiness" | "liveness">;
  clock: Clock;
  /** Asks once; never rejects. */
  ask(probe: ProbeSpec, timeoutMs: number): Promise<ProbeResult>;
  /** When the process started, milliseconds since the epoch. */
  startedAt: number;
  /** It was ready before control was restarted: it is until it fails. */
  ready: boolean;
  onReady(): void;
  /** Was ready, and its readiness probe failed too often. */
  onUnready(message: string): void;
  /** A probe failed; the instance may still be starting. */
  onFailure(message: string): void;
  /** The startup or liveness probe failed too often: the instance must be restarted. */
  onDead(probe: "startup" | "liveness", message: string): void;
}

/** Shortest pauses between questions to a starting instance, in milliseconds: where nothing listens, where something answered "no". */
const quick = { refused: 1, answered: 10, exec: 50 };
/** Longest pauses of the quick phase. */
const slow = { refused: 25, answered: 250, exec: 500 };
/** What each pause is to the one before: where nothing listens, no pause is longer than a twentieth of the time since the start. */
const growth = { refused: 1.05, answered: 1.3, exec: 1.3 };
/** A question to a starting instance waits no longer for TCP: a lost first packet would be sent again only after a second. */
const firstConnectMs = 100;

/** Starts asking; gives the function that ends it. No callback comes after that. */
export function startProbing(options: ProberOptions): () => void {
  let stopped = false;
  const cancels = new Set<() => void>();
  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = options.clock.after(Math.max(0, Math.round(ms)), () => {
        cancels.delete(cancel);
        resolve();
      });
      cancels.add(cancel);
    });
  const live = () => !stopped;

  /** Asks until `successThreshold` answers in a row are good. Calls `failedOnPeriod` for each period that passed without. */
  const untilGood = async (probe: ProbeSpec, failedOnPeriod: (message: string) => void): Promise<void> => {
    const { clock } = options;
    await wait(options.startedAt + probe.initialDelayMs - clock.now());
    let nextPeriod = clock.now() + probe.periodMs;
    let good = 0;
    let tries = 0;
    while (live()) {
      const limit = probe.action.type === "tcp" ? Math.min(firstConnectMs, probe.timeoutMs) : probe.timeoutMs;
      const result = await options.ask(probe, limit);
      if (!live()) return;
      if (result.ok) {
        if (++good >= probe.successThreshold) return;
        await wait(Math.min(probe.periodMs, quick.answered));
        continue;
      }
      good = 0;
      tries++;
      options.onFailure(result.message);
      if (clock.now() >= nextPeriod) {
        nextPeriod += probe.periodMs;
        failedOnPeriod(result.message);
        if (!live()) return;
      }
      const kind = probe.action.type === "exec" ? "exec" : result.refused ? "refused" : "answered";
      await wait(Math.min(probe.periodMs, slow[kind], quick[kind] * growth[kind] ** Math.min(tries, 80)));
    }
  };

  const watchReadiness = async (): Promise<void> => {
    const probe = options.spec.readiness;
    let ready = options.ready;
    while (live()) {
      if (!ready) {
        await untilGood(probe, () => {});
        if (!live()) return;
        ready = true;
        options.onReady();
      }
      const message = await untilBad(probe);
      if (message === undefined) return;
      ready = false;
      options.onUnready(message);
    }
  };

  /** Asks each period until `failureThreshold` answers in a row are bad; gives the last. Undefined when ended. */
  const untilBad = async (probe: ProbeSpec): Promise<string | undefined> => {
    for (let bad = 0; live();) {
      await wait(probe.periodMs);
      if (!live()) return undefined;
      const result = await options.ask(probe, probe.timeoutMs);
      if (!live()) return undefined;
      if (result.ok) {
        bad = 0;
        continue;
      }
      options.onFailure(result.message);
      if (++bad >= probe.failureThreshold) return result.message;
    }
    return undefined;
  };

  const run = async (): Promise<void> => {
    const { startup, liveness } = options.spec;
    if (startup !== undefined && !options.ready) {
      let bad = 0;
      await untilGood(startup, (message) => {
        if (++bad >= startup.failureThreshold) {
          stop();
          options.onDead("startup", message);
        }
      });
    }
    if (!live()) return;
    void watchReadiness();
    if (liveness === undefined) return;
    await wait(options.startedAt + liveness.initialDelayMs - options.clock.now() - liveness.periodMs);
    const message = await untilBad(liveness);
    if (message === undefined || !live()) return;
    stop();
    options.onDead("liveness", message);
  };

  const stop = () => {
    stopped = true;
    for (const cancel of cancels) cancel();
    cancels.clear();
  };
  void run();
  return stop;
}
