/**
 * Leader election by a Lease, as Kubernetes' own controllers do it: of several processes one holds it and acts.
 *
 * Guarantee: whoever holds it has stopped before another can take it. The holder counts from when it *sent* its last renewal, and stops after
 * `renewDeadlineMs`; the others count from when they *saw* it, and wait for `durationMs`, which is longer. Nobody's clock is compared with
 * another's, and a clock that is set anew makes nobody lead: those who wait count by one that can't be, and whoever leads by both. Leadership that was lost isn't won back by the same election: the process ends, so that nothing half done goes on.
 */
import { isReason } from "../api/meta/errors.ts";
import { backoffMs } from "../lib/backoff.ts";
import { type Clock, delay } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Client } from "./client.ts";
import { decideLease, freedLease, heldLease, Lease, lookAgain, type SeenLease } from "./lease-decision.ts";

/** All in milliseconds. */
interface ElectionTimes {
  /** Whoever doesn't hold it waits so long after the last sign of the holder. */
  durationMs: number;
  /** The holder stops acting so long after its last renewal. Less than `durationMs`, by what stopping takes. */
  renewDeadlineMs: number;
  /** Between two looks. */
  retryMs: number;
}

export interface ElectionOptions {
  client: Pick<Client, "get" | "create" | "update">;
  clock: Clock;
  log: Log;
  namespace: string;
  name: string;
  /** Of this process; no two may have the same at any time. */
  identity: string;
  times?: ElectionTimes;
  /** Milliseconds since any time, by a clock that nobody sets: `performance.now`. */
  steady: () => number;
  /** It leads from now on. `before`: the Lease as another, or an earlier process, left it. */
  onAcquired(before: Lease | undefined): void;
  /** It must not act any more, at once. Not called for `stop`. */
  onLost(): void;
  random?: () => number;
}

export interface Election {
  /** Whether this process leads now. */
  held(): boolean;
  /** Whose Lease it is, as far as is known. */
  holder(): string | undefined;
  /** Ends it. Call once nothing acts any more: the Lease is given back, so that another leads at once. */
  stop(): Promise<void>;
}

const usualTimes: ElectionTimes = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

/** Starts to try, for ever, to lead. */
export function startElection(options: ElectionOptions): Election {
  const { client, clock, steady, log, identity, namespace, name, times = usualTimes } = options;
  const key = { namespace, name };
  const holder = { ...key, identity, durationMs: times.durationMs };
  let seen: SeenLease | undefined;
  let state: "waiting" | "leading" | "lost" | "stopped" = "waiting";
  let leadsUntil = { time: 0, steady: 0 };
  let cancelDeadline = () => {};
  let failures = 0;
  const stopping = Promise.withResolvers<void>();
  // Asked by a function: the state changes while the loop waits.
  const isOver = () => state === "lost" || state === "stopped";
  // The clock, too: the steady one stands still while the machine sleeps.
  const held = () => state === "leading" && clock.now() < leadsUntil.time && steady() < leadsUntil.steady;

  const lose = () => {
    if (state !== "leading") return;
    state = "lost";
    cancelDeadline();
    stopping.resolve();
    log.error({ lease: name, identity }, "Leadership is lost");
    options.onLost();
  };
  const confirmed = (sentAt: typeof leadsUntil, before: Lease | undefined) => {
    if (isOver()) return;
    leadsUntil = { time: sentAt.time + times.renewDeadlineMs, steady: sentAt.steady + times.renewDeadlineMs };
    cancelDeadline();
    cancelDeadline = clock.after(leadsUntil.steady - steady(), lose);
    if (state === "leading") return;
    state = "leading";
    log.info({ lease: name, identity }, "This process leads");
    options.onAcquired(before);
  };

  /** One look, and what follows from it. Resolves to the milliseconds until the next. */
  const step = async (): Promise<number> => {
    const lease = await client.get(Lease, key).catch((error: unknown) => {
      if (isReason(error, "NotFound")) return undefined;
      throw error;
    });
    seen = lease === undefined ? undefined : lookAgain(seen, lease, steady());
    const decision = decideLease(seen, identity, steady());
    if (decision.do === "wait" || decision.do === "take") {
      // Another has it, or had: what this process did as a leader has no ground any more.
      if (state === "leading") lose();
      if (decision.do === "wait") return Math.min(decision.ms, times.retryMs);
    }
    if (isOver()) return 0;
    const sentAt = { time: clock.now(), steady: steady() };
    const next = heldLease(lease, holder, sentAt.time);
    const written = await (lease === undefined ? client.create(Lease, next) : client.update(Lease, next));
    seen = { lease: written, at: steady() };
    // A time that is over already was nobody's.
    if (steady() - sentAt.steady < times.renewDeadlineMs) confirmed(sentAt, lease);
    return times.retryMs;
  };

  const loop = async () => {
    while (!isOver()) {
      let wait = times.retryMs;
      try {
        wait = await step();
        failures = 0;
      } catch (error) {
        // Whoever else wrote first is seen by the next look.
        if (!isReason(error, "Conflict", "AlreadyExists")) {
          log.warn({ lease: name, error }, "Cannot look after the lease; trying again");
        }
        wait = backoffMs(failures, { baseMs: times.retryMs / 4, maxMs: times.retryMs, jitter: 0.5 }, options.random);
        failures += 1;
      }
      if (isOver()) return;
      await Promise.race([delay(clock, wait), stopping.promise]);
    }
  };
  const running = loop();

  return {
    held,
    holder: () => seen?.lease.spec?.holderIdentity,
    async stop() {
      const led = held();
      if (!isOver()) state = "stopped";
      cancelDeadline();
      stopping.resolve();
      await running;
      if (!led || seen?.lease.spec?.holderIdentity !== identity) return;
      await client.update(Lease, freedLease(seen.lease, clock.now())).catch((error: unknown) => {
        log.warn({ lease: name, error }, "The lease can't be given back: another waits until it ends");
      });
    },
  };
}
