/** Probes a run, and says what follows for its instance. */
import type { WorkloadProblem } from "../workloads.ts";
import type { Run } from "./container.ts";
import type { DriverContext } from "./context.ts";
import { execInside } from "./exec.ts";
import { probeOnce } from "./probe.ts";
import { startProbing } from "./prober.ts";
import type { InstanceRecord } from "./record.ts";

/** What the instance is told. */
export interface WatchEvents {
  isReady: boolean;
  /** It should be ready by now. Called once, whether or not it is. */
  late(): void;
  ready(): void;
  unready(message: string): void;
  /** A probe failed, which decides nothing yet. */
  failure(message: string): void;
  /** It must be restarted; said before `dead` resolves. */
  verdict(reason: WorkloadProblem["reason"], message: string): void;
}

export interface Watched {
  /** Resolves when a probe says that it must be restarted. */
  dead: Promise<"dead">;
  end(): void;
}

/** Watches until `end`. */
export function watchRun(ctx: DriverContext, record: InstanceRecord, run: Run, events: WatchEvents): Watched {
  const { clock, limits } = ctx;
  const { spec } = record;
  const startedAt = record.startedAt ?? clock.now();
  const dead = Promise.withResolvers<"dead">();
  const target = {
    host: run.address,
    exec: (command: readonly string[], timeoutMs: number) =>
      execInside(ctx, run, { id: record.id, command, timeoutMs }),
  };
  const { readiness } = spec;
  const patience = Math.max(
    limits.readinessProblemMs,
    readiness.initialDelayMs + readiness.periodMs * readiness.failureThreshold,
  );
  const cancel = clock.after(startedAt + patience - clock.now(), () => events.late());
  const stop = startProbing({
    spec,
    clock,
    startedAt,
    ready: events.isReady,
    ask: (probe, timeoutMs) => probeOnce(probe.action, target, timeoutMs),
    onReady: () => events.ready(),
    onUnready: (message) => events.unready(message),
    onFailure: (message) => events.failure(message),
    onDead: (probe, message) => {
      const startup = probe === "startup";
      events.verdict(
        startup ? "ReadinessProbeFailed" : "LivenessProbeFailed",
        `${startup ? "Startup" : "Liveness"} probe failed: ${message}`,
      );
      dead.resolve("dead");
    },
  });
  const end = () => {
    stop();
    cancel();
  };
  return { dead: dead.promise, end };
}
