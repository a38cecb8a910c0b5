/**
 * What `rollout undo` goes back to: the Route remembers its last splits in an annotation, newest last.
 */
import type { Route, TrafficTarget } from "./objects.ts";
import { sameTraffic } from "./traffic.ts";

/** Annotation on a Route: a JSON list of earlier `spec.rollout.traffic`, the newest last. */
export const previousTrafficAnnotation = "elafros.dev/previous-traffic";

/** Steps that can be undone; older ones are forgotten. */
const maxSteps = 10;

/** The remembered splits; empty where there are none or the annotation isn't ours. */
export function previousTraffic(route: Route): TrafficTarget[][] {
  const text = route.metadata.annotations?.[previousTrafficAnnotation];
  if (text === undefined) return [];
  try {
    const value = JSON.parse(text) as unknown;
    return Array.isArray(value) ? value.filter(isTraffic) : [];
  } catch {
    return [];
  }
}

function isTraffic(value: unknown): value is TrafficTarget[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (target: Partial<TrafficTarget> | null) =>
        typeof target === "object" &&
        target !== null &&
        typeof target.percent === "number" &&
        (typeof target.revisionName === "string" || typeof target.configurationName === "string"),
    )
  );
}

/** Remembers `traffic` on the Route as the step before what it serves now. */
export function rememberTraffic(route: Route, traffic: readonly TrafficTarget[]): void {
  if (traffic.length === 0) return;
  const steps = previousTraffic(route);
  const last = steps.at(-1);
  if (last === undefined || !sameTraffic(last, traffic)) steps.push([...traffic]);
  setSteps(route, steps.slice(-maxSteps));
}

/** Takes the newest remembered split off the Route; undefined where there is none. */
export function takePreviousTraffic(route: Route): TrafficTarget[] | undefined {
  const steps = previousTraffic(route).filter((step, index, all) => {
    const isNewest = index === all.length - 1;
    return !isNewest || !sameTraffic(step, route.spec.rollout.traffic);
  });
  const last = steps.pop();
  setSteps(route, steps);
  return last;
}

function setSteps(route: Route, steps: readonly TrafficTarget[][]): void {
  const { [previousTrafficAnnotation]: _, ...others } = route.metadata.annotations ?? {};
  route.metadata.annotations =
    steps.length === 0 ? others : { ...others, [previousTrafficAnnotation]: JSON.stringify(steps) };
}
