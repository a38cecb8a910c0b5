/**
 * What `/metrics` of the API server says, in Prometheus' text format: counts that gateways report, added up since control's start, and what
 * the driver and the gateways have now.
 */
import { latencySteps, type Outcome, type RevisionLoad } from "../../routing/link.ts";
import type { WorkloadsPort } from "../../runtime/workloads.ts";

interface Series {
  route: string;
  revision: string;
  codes: Map<string, number>;
  steps: number[];
  ms: number;
}

export interface Metrics {
  /** A gateway says what became of requests. */
  add(outcomes: readonly Outcome[]): void;
  /** A gateway says what there is to do, as it does each second. */
  load(gateway: string, revisions: readonly RevisionLoad[]): void;
  text(): string;
}

export interface MetricsOptions {
  workloads: Pick<WorkloadsPort, "list">;
  /** Ids of the gateways that are members. */
  gateways: () => readonly string[];
}

export function createMetrics({ workloads, gateways }: MetricsOptions): Metrics {
  const series = new Map<string, Series>();
  const loads = new Map<string, readonly RevisionLoad[]>();
  return {
    add(outcomes) {
      for (const { route, revision, codes, steps, ms } of outcomes) {
        const key = JSON.stringify([route, revision]);
        let one = series.get(key);
        if (one === undefined) {
          one = {
            route,
            revision,
            codes: new Map(),
            steps: Array.from({ length: latencySteps.length + 1 }, () => 0),
            ms: 0,
          };
          series.set(key, one);
        }
        for (const [code, count] of Object.entries(codes)) one.codes.set(code, (one.codes.get(code) ?? 0) + count);
        for (const [i, count] of steps.entries()) one.steps[i] = (one.steps[i] ?? 0) + count;
        one.ms += ms;
      }
    },
    load: (gateway, revisions) => void loads.set(gateway, revisions),
    text() {
      const members = new Set(gateways());
      for (const gateway of loads.keys()) if (!members.has(gateway)) loads.delete(gateway);
      return [
        ...requestLines([...series.values()]),
        ...durationLines([...series.values()]),
        ...loadLines([...loads.values()].flat()),
        ...instanceLines(workloads),
        ...family("elafros_gateways", "gauge", "Gateways that serve."),
        `elafros_gateways ${members.size}`,
        "",
      ].join("\n");
    },
  };
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
    let sum = 0;
    for (const [i, count] of steps.entries()) {
      sum += count;
      lines.push(sample(`${name}_bucket`, { route, revision, le: String(latencySteps[i] ?? "+Inf") }, sum));
    }
    lines.push(
      sample(`${name}_sum`, { route, revision }, ms / 1_000),
      sample(`${name}_count`, { route, revision }, sum),
    );
  }
  return lines;
}

function loadLines(loads: readonly RevisionLoad[]): string[] {
  const sums = new Map<string, { concurrency: number; waiting: number }>();
  for (const [revision, concurrency, , waiting] of loads) {
    const sum = sums.get(revision) ?? { concurrency: 0, waiting: 0 };
    sums.set(revision, { concurrency: sum.concurrency + concurrency, waiting: sum.waiting + waiting });
  }
  return [
    ...family(
      "elafros_requests_in_flight",
      "gauge",
      "Requests in flight and waiting, on average over the last second.",
    ),
    ...[...sums].map(([revision, { concurrency }]) => sample("elafros_requests_in_flight", { revision }, concurrency)),
    ...family("elafros_requests_waiting", "gauge", "Requests that wait for an instance."),
    ...[...sums].map(([revision, { waiting }]) => sample("elafros_requests_waiting", { revision }, waiting)),
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

function family(name: string, type: "counter" | "gauge" | "histogram", help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function sample(name: string, labels: Record<string, string>, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replaceAll(/[\\"\n]/g, escaped)}"`);
  return `${name}{${pairs.join(",")}} ${value}`;
}

function escaped(char: string): string {
  return char === "\n" ? "\\n" : `\\${char}`;
}
