/**
 * What cold starts cost, phase by phase: from the first request that waits for a Revision without instances to the first ready one. For
 * `/metrics` as histograms, and as spans below that of the request where it is traced.
 *
 * A start ends one of two ways: an instance is ready, or the Revision gets none, which shows as its condition and isn't counted here.
 */
import type { Clock } from "../../lib/clock.ts";
import type { Span } from "../../lib/otlp/span.ts";
import { nextContext, parseTraceparent } from "../../lib/otlp/trace-context.ts";
import type { InstanceState, WorkloadKey, WorkloadsPort } from "../../runtime/workloads.ts";
import { family, histogram } from "./metrics-text.ts";

/** `queued`: until an instance was begun, or one that stood by woken; `created`: until all was made; `started`: until its program ran. */
const phases = ["queued", "created", "started", "ready"] as const;
type Phase = (typeof phases)[number];

/** What the instance was made from: nothing, or what stood by. */
type Origin = "nothing" | "prepared" | "frozen";

/** Seconds. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
/** After this long it isn't this demand that an instance answers. */
const forgetMs = 10 * 60_000;

/** A Revision that is gone is told of for so long after its last start. */
const keptMs = 60 * 60_000;

export interface ColdStart {
  origin: Origin;
  /** Milliseconds since the epoch: of the demand, and of each phase's end. */
  demandedAt: number;
  ends: Readonly<Record<Phase, number>>;
}

export interface ColdStartsOptions {
  workloads: Pick<WorkloadsPort, "get" | "subscribe">;
  clock: Clock;
  /** Takes spans; absent where there are no traces. */
  spans: ((spans: readonly Span[]) => void) | undefined;
}

export interface ColdStarts {
  /** A request waits for a Revision (`namespace/name`) without instances. `trace`: its span, as `traceparent` writes it. */
  demanded(revision: string, trace: string | undefined): void;
  /** For `/metrics`. */
  lines(): string[];
  stop(): void;
}

interface Series {
  labels: { revision: string; origin: Origin; phase: Phase };
  counts: number[];
  sum: number;
  /** When it last changed; milliseconds since the epoch. */
  at: number;
}

export function watchColdStarts({ workloads, clock, spans }: ColdStartsOptions): ColdStarts {
  const waiting = new Map<string, { at: number; trace: string | undefined }>();
  const series = new Map<string, Series>();
  const record = (revision: string, start: ColdStart): void => {
    let from = start.demandedAt;
    for (const phase of phases) {
      const key = JSON.stringify([revision, start.origin, phase]);
      let one = series.get(key);
      if (one === undefined) {
        const labels = { revision, origin: start.origin, phase };
        series.set(key, (one = { labels, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0, at: 0 }));
      }
      const seconds = (start.ends[phase] - from) / 1_000;
      from = start.ends[phase];
      const place = bounds.findIndex((bound) => seconds <= bound);
      const index = place < 0 ? bounds.length : place;
      one.counts[index] = (one.counts[index] ?? 0) + 1;
      one.sum += seconds;
      one.at = clock.now();
    }
  };
  const stop = workloads.subscribe((key) => {
    const revision = nameOf(key);
    const demand = waiting.get(revision);
    if (demand === undefined) return;
    const instance = firstReady(workloads.get(key)?.instances);
    if (instance === undefined) return;
    waiting.delete(revision);
    const start = coldStart(instance, demand.at, clock.now());
    record(revision, start);
    if (demand.trace !== undefined)
      spans?.(coldStartSpans(start, { revision, instance: instance.id, trace: demand.trace }));
  });
  return {
    demanded(revision, trace) {
      const now = clock.now();
      for (const [name, { at }] of waiting) if (now - at > forgetMs) waiting.delete(name);
      const key = keyOf(revision);
      // The gateways will hear of it in a moment.
      if (firstReady(workloads.get(key)?.instances) !== undefined) return;
      const known = waiting.get(revision);
      if (known === undefined) waiting.set(revision, { at: now, trace });
      else known.trace ??= trace;
    },
    lines: () => {
      for (const [id, { labels, at }] of series) {
        if (clock.now() - at > keptMs && workloads.get(keyOf(labels.revision)) === undefined) series.delete(id);
      }
      return [
        ...family(
          "elafros_cold_start_seconds",
          "histogram",
          "Cold starts, by what the instance was made from and by phase.",
        ),
        ...[...series.values()].flatMap(({ labels, counts, sum }) =>
          histogram("elafros_cold_start_seconds", labels, { bounds, counts, sum }),
        ),
      ];
    },
    stop,
  };
}

/** The phases of a start, as an instance tells of them; `now` is when it was seen to be ready. A phase that was over before the demand took no time. */
export function coldStart(instance: InstanceState, demandedAt: number, now: number): ColdStart {
  const { createdAt, madeAt = 0, startedAt = 0, readyAt = 0, wokenAt } = instance;
  // What stood by was woken; what is made anew in its stead was made after that.
  const origin = wokenAt === undefined || madeAt > wokenAt ? "nothing" : startedAt > wokenAt ? "prepared" : "frozen";
  const queued = Math.max(demandedAt, origin === "nothing" ? createdAt : (wokenAt ?? createdAt));
  const created = Math.max(queued, madeAt);
  const started = Math.max(created, startedAt);
  const ready = Math.max(started, origin === "frozen" ? now : readyAt);
  return { origin, demandedAt, ends: { queued, created, started, ready } };
}

/** A span for the start below the request's, and one for each phase below that; none where the request's isn't recorded. */
export function coldStartSpans(
  { demandedAt, ends, origin }: ColdStart,
  { revision, instance, trace }: { revision: string; instance: string; trace: string },
): Span[] {
  const request = parseTraceparent(trace);
  if (request?.sampled !== true) return [];
  const whole = nextContext(request);
  const attributes = {
    "elafros.revision": revision,
    "elafros.instance": instance,
    "elafros.cold_start.origin": origin,
  };
  const common = { traceId: request.traceId, kind: "internal" as const, attributes, failed: false };
  let from = demandedAt;
  const parts = phases.map((phase): Span => {
    const to = ends[phase];
    const span = { ...common, spanId: nextContext(whole).spanId, parentId: whole.spanId, name: phase, from, to };
    from = to;
    return span;
  });
  const { spanId } = whole;
  return [
    { ...common, spanId, parentId: request.spanId, name: "cold start", from: demandedAt, to: ends.ready },
    ...parts,
  ];
}

function firstReady(instances: readonly InstanceState[] | undefined): InstanceState | undefined {
  return instances?.find(({ phase }) => phase === "ready");
}

function nameOf({ namespace, name }: WorkloadKey): string {
  return `${namespace}/${name}`;
}

function keyOf(revision: string): WorkloadKey {
  const slash = revision.indexOf("/");
  return { namespace: revision.slice(0, slash), name: revision.slice(slash + 1) };
}
