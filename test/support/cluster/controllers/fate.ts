/** What becomes of a Pod's container. Nothing runs: the kubelet's stand-in tells it as a kubelet would. */
export type Fate =
  /** Runs, and is ready `readyMs` after it has started; never where that is undefined. */
  | {
      kind: "runs";
      startMs: number;
      readyMs: number | undefined;
      stopMs: number;
      /** It doesn't end before this. */
      endsAfter?: Promise<void>;
    }
  /** Its image isn't there. */
  | { kind: "no image"; startMs: number }
  /** Its program can't be started. */
  | { kind: "no start"; startMs: number; message: string }
  /** Its program ends by itself. */
  | { kind: "exits"; startMs: number; exitCode: number; reason: "Error" | "OOMKilled" | "Completed"; message?: string };

/** Runs and is ready at once. */
export const goodFate: Fate = { kind: "runs", startMs: 5, readyMs: 5, stopMs: 5 };
