/** What a Revision's settings mean for the algorithm: targets resolved, percentages as fractions, no limit left open. */
import type { Autoscaling } from "../api/autoscaling.ts";

export interface ScaleSpec {
  readonly metric: Autoscaling["metric"];
  /** What one instance is meant to take, of which `utilization` is used before there is another. */
  readonly target: number;
  readonly utilization: number;
  /** Both together: the load for which there is one instance. */
  readonly perInstance: number;
  readonly windowMs: number;
  readonly panicWindowMs: number;
  /** Panic begins where the panic window asks for so many times what is ready. */
  readonly panicThreshold: number;
  /** Most and least, as factors of what is ready, that one decision changes. */
  readonly maxScaleUpRate: number;
  readonly maxScaleDownRate: number;
  readonly scaleDownDelayMs: number;
  readonly retentionMs: number;
  readonly minScale: number;
  readonly maxScale: number;
  /** Whether `maxScale` is the platform's and not the Revision's. */
  readonly maxIsDefault: boolean;
  readonly initialScale: number;
}

const defaultTargets = { concurrency: 100, rps: 200 } as const;
const leastTarget = 0.01;

/**
 * The spec of a Revision. `concurrency` is the most requests at once that an instance gets (0: no limit), and the target where none is
 * written; a written one above it counts as it. `mostInstances` is what a Revision without a max-scale may have on this platform.
 */
export function scaleSpec(settings: Autoscaling, concurrency: number, mostInstances: number): ScaleSpec {
  const { metric, minScale, initialScale, windowMs } = settings;
  const limited = metric === "concurrency" && concurrency > 0;
  const written = settings.target ?? (limited ? concurrency : defaultTargets[metric]);
  const target = limited ? Math.min(written, concurrency) : written;
  const least = settings.idle === "none" ? Math.max(1, minScale) : minScale;
  return {
    metric,
    target,
    utilization: settings.targetUtilizationPercentage / 100,
    perInstance: Math.max(leastTarget, (target * settings.targetUtilizationPercentage) / 100),
    windowMs,
    panicWindowMs: (windowMs * settings.panicWindowPercentage) / 100,
    panicThreshold: settings.panicThresholdPercentage / 100,
    maxScaleUpRate: 1_000,
    maxScaleDownRate: 2,
    scaleDownDelayMs: settings.scaleDownDelayMs,
    retentionMs: settings.scaleToZeroRetentionMs,
    minScale: least,
    maxScale: settings.maxScale === 0 ? Math.max(mostInstances, least, initialScale) : settings.maxScale,
    maxIsDefault: settings.maxScale === 0,
    initialScale,
  };
}
