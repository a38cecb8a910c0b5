/** Decisions in words: the answer to "why 3?". */
import type { Decision, ScaleRule } from "./decide.ts";
import type { ScaleSpec } from "./spec.ts";

type Say = (decision: Decision) => string;

const inFull: Record<ScaleRule, Say> = {
  "initial-scale": ({ count }) => `A new Revision starts with ${instances(count)}`,
  unrouted: () => "No Route leads to the Revision",
  unseen: () => "No gateway reports the load: the number stays",
  woken: () => "A request waits and no instance runs",
  held: ({ spec }) => `The load is known for less than ${seconds(spec.windowMs)}: none is taken away yet`,
  "min-scale": (decision) => `${load(decision)}; min-scale keeps ${decision.count}`,
  retention: ({ spec }) => `Nothing to do; the last instance stays for ${seconds(spec.retentionMs)}`,
  load: (decision) => (decision.count > 0 ? `${load(decision)}, and ${share(decision.spec)}` : idle(decision.spec)),
  panic: (decision) => {
    const { spec, stats } = decision;
    const ready = instances(Math.max(1, stats.ready));
    return `${load(decision)}, at least ${figure(spec.panicThreshold)} times what ${ready} should have; ${share(spec)}`;
  },
  "panic-keeps": (decision) =>
    `${load(decision)}; none is taken away until ${seconds(decision.spec.windowMs)} after a surge`,
  "scale-up-rate": (decision) =>
    `${load(decision)}, and ${share(decision.spec)}; at once at most ${decision.spec.maxScaleUpRate} times what is ready`,
  "scale-down-rate": (decision) =>
    `${load(decision)}, and ${share(decision.spec)}; of the ${decision.stats.ready} that are ready at least ${decision.count} stay for now`,
  "scale-down-delay": (decision) =>
    `${load(decision)}; scale-down-delay keeps what was wanted in the last ${seconds(decision.spec.scaleDownDelayMs)}`,
  "max-scale": (decision) => {
    const { spec, count } = decision;
    return `${load(decision)}, and ${share(spec)}; ${limit(spec)} allows ${count}`;
  },
};

const surge = () => "a surge of load asks for it";
const inGeneral: Partial<Record<ScaleRule, Say>> = {
  load: ({ count, spec }) => (count > 0 ? "the load asks for it" : idle(spec)),
  panic: surge,
  "scale-up-rate": surge,
  "panic-keeps": () => "less load, after a surge",
  "scale-down-rate": () => "less load",
  "scale-down-delay": () => "less load, for as long as scale-down-delay says",
  "min-scale": () => "min-scale keeps as many",
  "max-scale": ({ spec }) => `more load than ${limit(spec)} allows for`,
};

/** A sentence with the figures that the decision follows from. */
export function explain(decision: Decision): string {
  return inFull[decision.rule](decision);
}

/** The same without figures that differ from time to time: said again, it is the same. */
export function gist(decision: Decision): string {
  return (inGeneral[decision.rule] ?? inFull[decision.rule])(decision);
}

function idle({ windowMs, retentionMs }: ScaleSpec): string {
  return `No requests for ${seconds(windowMs)}${retentionMs > 0 ? ` and ${seconds(retentionMs)} more` : ""}`;
}

/** What was seen, by the window that counts. */
function load({ stats, spec, wanted, memory }: Decision): string {
  const { stable = 0, panic = 0 } = stats.load ?? {};
  const byPanic = memory.panicAt !== undefined && wanted.panic > wanted.stable;
  const value = figure(byPanic ? panic : stable);
  const what = spec.metric === "rps" ? `${value} requests a second` : `${value} requests at once`;
  return `${what} on average over ${seconds(byPanic ? spec.panicWindowMs : spec.windowMs)}`;
}

function share(spec: ScaleSpec): string {
  const percent = figure(spec.utilization * 100);
  return `an instance should have ${figure(spec.perInstance)} (${percent} % of ${figure(spec.target)})`;
}

function limit(spec: ScaleSpec): string {
  return spec.maxIsDefault ? "the platform's most without a max-scale" : "max-scale";
}

function instances(count: number): string {
  return count === 1 ? "1 instance" : `${count} instances`;
}

function seconds(ms: number): string {
  return `${figure(ms / 1000)} s`;
}

/** At most two decimals. */
function figure(value: number): string {
  return String(Math.round(value * 100) / 100);
}
