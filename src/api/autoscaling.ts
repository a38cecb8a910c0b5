/**
 * How a Revision scales: annotations `autoscaling.elafros.dev/…` in `revisionTemplate.metadata`, copied to the Revision. Names, defaults and
 * meaning are Knative's where it has them. Users write them; the API refuses what isn't one.
 */
import type { Cause } from "./meta/errors.ts";
import { durationWords, formatDuration, parseDuration } from "./meta/duration.ts";
import { forbidden, index, invalid, notSupported } from "./meta/faults.ts";

/** The prefix of the annotations. */
export const autoscalingPrefix = "autoscaling.elafros.dev/";

/** What a Revision's annotations say, with every default filled in. Durations in milliseconds, percentages as written. */
export interface Autoscaling {
  /** Fewest instances while a Route leads to the Revision. */
  minScale: number;
  /** Most instances; 0 leaves it to the platform. */
  maxScale: number;
  /** Instances of a new Revision, until so many were ready at once. */
  initialScale: number;
  metric: "concurrency" | "rps";
  /** What one instance should have at once, or in a second; undefined where the default of the metric counts. */
  target: number | undefined;
  targetUtilizationPercentage: number;
  windowMs: number;
  panicWindowPercentage: number;
  panicThresholdPercentage: number;
  scaleDownDelayMs: number;
  /** How long the last instance stays once nothing is left to do. */
  scaleToZeroRetentionMs: number;
  /** What becomes of the last instance. `none`: it stays. */
  idle: "stop" | "freeze" | "none";
}

export const autoscalingDefaults: Autoscaling = {
  minScale: 0,
  maxScale: 0,
  initialScale: 1,
  metric: "concurrency",
  target: undefined,
  targetUtilizationPercentage: 70,
  windowMs: 60_000,
  panicWindowPercentage: 10,
  panicThresholdPercentage: 200,
  scaleDownDelayMs: 0,
  scaleToZeroRetentionMs: 30_000,
  idle: "stop",
};

const hourMs = 3_600_000;
/** Instances that one Revision can be asked to have. */
const mostInstances = 1_000;

/** Reads one value into the settings, or says in words what it must be. */
type Reader = (text: string, into: Autoscaling) => string | { oneOf: readonly string[] } | undefined;

type NumberField = {
  [K in keyof Autoscaling]: Autoscaling[K] extends number ? K : never;
}[keyof Autoscaling];

function whole(field: NumberField, least: number, most: number): Reader {
  return (text, into) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) return `must be a whole number from ${least} to ${most}`;
    into[field] = value;
    return undefined;
  };
}

function percent(field: NumberField, least: number, most: number): Reader {
  return (text, into) => {
    const value = decimal(text);
    if (!(value >= least && value <= most))
      return `must be a number of percent from ${least} to ${most}, without the sign`;
    into[field] = value;
    return undefined;
  };
}

function duration(field: NumberField, leastMs: number, mostMs: number): Reader {
  return (text, into) => {
    const value = parseDuration(text);
    if (value === undefined) return durationWords;
    if (value < leastMs || value > mostMs || value % 1000 !== 0) {
      return `must be a duration of whole seconds from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}`;
    }
    into[field] = value;
    return undefined;
  };
}

/** Digits with at most one point: no exponents, signs or spaces. */
function decimal(text: string): number {
  return /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
}

const readers: Record<string, Reader> = {
  "min-scale": whole("minScale", 0, mostInstances),
  "max-scale": whole("maxScale", 0, mostInstances),
  "initial-scale": whole("initialScale", 1, mostInstances),
  metric: (text, into) => {
    if (text !== "concurrency" && text !== "rps") return { oneOf: ["concurrency", "rps"] };
    into.metric = text;
    return undefined;
  },
  target: (text, into) => {
    const value = decimal(text);
    if (!(value >= 0.01 && value <= 1_000_000)) return "must be a number from 0.01 to 1000000";
    into.target = value;
    return undefined;
  },
  "target-utilization-percentage": percent("targetUtilizationPercentage", 1, 100),
  window: duration("windowMs", 6_000, hourMs),
  "panic-window-percentage": percent("panicWindowPercentage", 1, 100),
  "panic-threshold-percentage": percent("panicThresholdPercentage", 110, 1000),
  "scale-down-delay": duration("scaleDownDelayMs", 0, hourMs),
  "scale-to-zero-retention": duration("scaleToZeroRetentionMs", 0, hourMs),
  idle: (text, into) => {
    if (text !== "stop" && text !== "freeze" && text !== "none") return { oneOf: ["stop", "freeze", "none"] };
    into.idle = text;
    return undefined;
  },
};

/** The settings that a Revision's annotations make. What isn't readable, from before it was refused, counts as absent. */
export function autoscalingOf(annotations: Readonly<Record<string, string>> | undefined): Autoscaling {
  const settings = { ...autoscalingDefaults };
  for (const [name, read] of Object.entries(readers)) {
    const text = annotations?.[autoscalingPrefix + name];
    if (text !== undefined) read(text, settings);
  }
  return settings;
}

/** The faults of the annotations at `path`: one for each that isn't known, isn't readable, or contradicts another. */
export function validateAutoscaling(annotations: Record<string, string>, path: string): Cause[] {
  const settings = { ...autoscalingDefaults };
  const faults: Cause[] = [];
  for (const [key, text] of Object.entries(annotations)) {
    if (!key.toLowerCase().startsWith(autoscalingPrefix)) continue;
    const field = index(path, key);
    const read = readers[key.slice(autoscalingPrefix.length)];
    if (read === undefined || !key.startsWith(autoscalingPrefix)) {
      const known = Object.keys(readers).join(", ");
      faults.push(forbidden(field, `no such setting: names under ${autoscalingPrefix} are ${known}`));
      continue;
    }
    const fault = read(text, settings);
    if (typeof fault === "string") faults.push(invalid(field, text, fault));
    else if (fault !== undefined) faults.push(notSupported(field, text, fault.oneOf));
  }
  const { minScale, maxScale, initialScale } = settings;
  if (faults.length > 0 || maxScale === 0) return faults;
  const most = index(path, `${autoscalingPrefix}max-scale`);
  if (maxScale < minScale) {
    faults.push(
      invalid(most, String(maxScale), `must be 0 (the platform's own most) or at least min-scale, ${minScale}`),
    );
  }
  if (maxScale < initialScale) {
    faults.push(
      invalid(most, String(maxScale), `must be 0 (the platform's own most) or at least initial-scale, ${initialScale}`),
    );
  }
  return faults;
}

/** The faults of a Configuration's own annotations: how its Revisions scale stands in their template. */
export function refuseAutoscaling(annotations: Record<string, string>, path: string): Cause[] {
  return Object.keys(annotations)
    .filter((key) => key.toLowerCase().startsWith(autoscalingPrefix))
    .map((key) =>
      forbidden(index(path, key), "has no effect here: set it in spec.revisionTemplate.metadata.annotations"),
    );
}
