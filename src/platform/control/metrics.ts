/**
 * What `/metrics` of the API server says, in Prometheus' text format: counts that gateways report, added up since control's start, and what
 * the driver and the gateways have now.
 */
import type { Clock } from "../../lib/clock.ts";
import { type GatewayMessage, latencySteps, type Outcome, type RevisionLoad } from "../../routing/link.ts";
import type { WorkloadsPort } from "../../runtime/workloads.ts";
import { family, histogram, sample } from "./metrics-text.ts";

interface Series {
  route: string;
  revision: string;
  codes: Map<string, number>;
  steps: number[];
  ms: number;
  /** When it last changed; milliseconds since the epoch. */
  at: number;
}

/** What is gone is told of for so long after its last request, so that it is read once more. */
const keptMs = 60 * 60_000;

/** What one gateway has under way. */
interface Now {
  loads: readonly RevisionLoad[];
  outcomes: readonly Outcome[];
}

export interface Metrics {
  /** A gateway says what became of requests, and what is under way. */
  add(outcomes: readonly Outcome[], gateway: string): void;
  /** A gateway says what there is to do, as it does each second. */
  load(gateway: string, revisions: readonly RevisionLoad[]): void;
  /** A gateway says what became of its access log and spans. */
  seen(counts: Omit<Extract<GatewayMessage, { type: "seen" }>, "type">): void;
  text(): string;
}

export interface MetricsOptions {
  workloads: Pick<WorkloadsPort, "get" | "list">;
  clock: Pick<Clock, "now">;
  /** Ids of the gateways that are members. */
  gateways: () => readonly string[];
  /** Further families' lines. */
  more: () => readonly string[];
  /** What control's own exporter of spans did since the last call. */
  spans: () => { sent: number; dropped: number };
}

export function createMetrics({ workloads, clock, gateways, more, spans }: MetricsOptions): Metrics {
  const series = new Map<string, Series>();
  const present = new Map<string, Now>();
  const seen = { linesDropped: 0, spansSent: 0, spansDropped: 0 };
  const nowOf = (gateway: string): Now => {
    let now = present.get(gateway);
    if (now === undefined) present.set(gateway, (now = { loads: [], outcomes: [] }));
    return now;
  };
  return {
    add(outcomes, gateway) {
      for (const { route, revision, codes, steps, ms } of outcomes) {
        const one = seriesOf(series, route, revision);
        one.at = clock.now();
        for (const [code, count] of Object.entries(codes)) one.codes.set(code, (one.codes.get(code) ?? 0) + count);
        for (const [i, count] of steps.entries()) one.steps[i] = (one.steps[i] ?? 0) + count;
        one.ms += ms;
      }
      nowOf(gateway).outcomes = outcomes;
    },
    load: (gateway, revisions) => void (nowOf(gateway).loads = revisions),
    seen({ linesDropped, spansSent, spansDropped }) {
      seen.linesDropped += linesDropped;
      seen.spansSent += spansSent;
      seen.spansDropped += spansDropped;
    },
    text() {
      const members = new Set(gateways());
      for (const gateway of present.keys()) if (!members.has(gateway)) present.delete(gateway);
      for (const [key, { route, revision, at }] of series) {
        if (clock.now() - at > keptMs && mayBeGone(workloads, route, revision)) series.delete(key);
      }
      const own = spans();
      seen.spansSent += own.sent;
      seen.spansDropped += own.dropped;
      return [
        ...requestLines([...series.values()]),
        ...durationLines([...series.values()]),
        ...presentLines([...present.values()].flatMap(({ outcomes }) => outcomes)),
        ...loadLines([...present.values()].flatMap(({ loads }) => loads)),
        ...instanceLines(workloads),
        ...more(),
        ...single("elafros_access_log_dropped_total", {
          type: "counter",
          help: "Lines of access logs that were dropped.",
          value: seen.linesDropped,
        }),
        ...single("elafros_spans_exported_total", {
          type: "counter",
          help: "Spans that the collector took.",
          value: seen.spansSent,
        }),
        ...single("elafros_spans_dropped_total", {
          type: "counter",
          help: "Spans that were dropped.",
          value: seen.spansDropped,
        }),
        ...single("elafros_gateways", { type: "gauge", help: "Gateways that serve.", value: members.size }),
        "",
      ].join("\n");
    },
  };
}

/** Revisions come and go, and a Route without one may be any that there ever was. A Revision that is there has a workload, also one of nothing. */
function mayBeGone(workloads: Pick<WorkloadsPort, "get">, route: string, revision: string): boolean {
  if (revision === "") return route !== "";
  const slash = revision.indexOf("/");
  return workloads.get({ namespace: revision.slice(0, slash), name: revision.slice(slash + 1) }) === undefined;
}

function seriesOf(all: Map<string, Series>, route: string, revision: string): Series {
  const key = JSON.stringify([route, revision]);
  let one = all.get(key);
  if (one === undefined) {
    const steps = Array.from({ length: latencySteps.length + 1 }, () => 0);
    one = { route, revision, codes: new Map(), steps, ms: 0, at: 0 };
    all.set(key, one);
  }
  return one;
}

function requestLines(series: readonly Series[]): string[] {
  const lines = family(
    "elafros_requests_total",
    "counter",
    "Requests that ended, by the status of their answer (499: the client left).",
  );
  for (const { route, revision, codes } of series) {
    for (const [code, count] of codes) lines.push(sample("elafros_requests_total", { route, revision, code }, count));
  }
  return lines;
}

function durationLines(series: readonly Series[]): string[] {
  const name = "elafros_request_duration_seconds";
  const lines = family(name, "histogram", "From a request's arrival at the gateway to the end of its answer.");
  for (const { route, revision, steps, ms } of series) {
    lines.push(...histogram(name, { route, revision }, { bounds: latencySteps, counts: steps, sum: ms / 1_000 }));
  }
  return lines;
}

function presentLines(outcomes: readonly Outcome[]): string[] {
  const sums = new Map<string, { route: string; revision: string; running: number; waiting: number }>();
  for (const { route, revision, running, waiting } of outcomes) {
    const key = JSON.stringify([route, revision]);
    const sum = sums.get(key) ?? { route, revision, running: 0, waiting: 0 };
    sums.set(key, { route, revision, running: sum.running + running, waiting: sum.waiting + waiting });
  }
  const each = (name: string, value: (sum: { running: number; waiting: number }) => number): string[] =>
    [...sums.values()].map((sum) => sample(name, { route: sum.route, revision: sum.revision }, value(sum)));
  return [
    ...family("elafros_requests_in_flight", "gauge", "Requests at an instance or on their way there or back."),
    ...each("elafros_requests_in_flight", ({ running, waiting }) => running - waiting),
    ...family("elafros_requests_waiting", "gauge", "Requests that wait for an instance."),
    ...each("elafros_requests_waiting", ({ waiting }) => waiting),
  ];
}

function loadLines(loads: readonly RevisionLoad[]): string[] {
  const sums = new Map<string, number>();
  for (const [revision, concurrency] of loads) sums.set(revision, (sums.get(revision) ?? 0) + concurrency);
  return [
    ...family("elafros_concurrency", "gauge", "Requests in flight and waiting, on average over the last second."),
    ...[...sums].map(([revision, concurrency]) => sample("elafros_concurrency", { revision }, concurrency)),
  ];
}

function instanceLines(workloads: Pick<WorkloadsPort, "list">): string[] {
  const lines = family("elafros_instances", "gauge", "Instances of a Revision, by phase.");
  for (const { key, instances } of workloads.list()) {
    const phases = new Map<string, number>();
    for (const { phase } of instances) phases.set(phase, (phases.get(phase) ?? 0) + 1);
    const revision = `${key.namespace}/${key.name}`;
    for (const [phase, count] of phases) lines.push(sample("elafros_instances", { revision, phase }, count));
  }
  return lines;
}

function single(
  name: string,
  { type, help, value }: { type: "counter" | "gauge"; help: string; value: number },
): string[] {
  return [...family(name, type, help), sample(name, {}, value)];
}
