/** From a Route's targets to Revisions. Pure. */
import type { MissingTarget } from "../../api/route.conditions.ts";
import type { Route, RouteTarget } from "../../api/route.ts";

export interface ConfigurationView {
  latestReady: string | undefined;
  latestCreated: string | undefined;
}

export interface RevisionView {
  configuration: string;
  /** Of the Configuration, that it was made from. */
  generation: number;
  /** Whether it was ever ready. */
  wasReady: boolean;
  /** How many of its instances are ready now. */
  readyInstances: number;
}

/** What a Route's targets name, by name in its namespace. */
export interface RouteNeighbours {
  configurations: ReadonlyMap<string, ConfigurationView>;
  revisions: ReadonlyMap<string, RevisionView>;
}

/** One target after resolution. */
export interface ResolvedTarget {
  target: RouteTarget;
  /** The Revision that can take the share. */
  revision?: string;
  /** The Revision that it leads to by the spec, where the guard has taken its traffic back. */
  takenFrom?: string;
  /** Why there is none. */
  missing?: MissingTarget;
  /** The Revision that may yet become ready, where there is none. */
  candidate?: string;
}

/** Each target in the order of the spec. */
export function resolveTargets(route: Route, seen: RouteNeighbours): ResolvedTarget[] {
  return route.spec.rollout.traffic.map((target) => {
    const { configurationName, revisionName = "" } = target;
    return configurationName === undefined
      ? ofRevision(target, revisionName, seen)
      : ofConfiguration(target, configurationName, seen);
  });
}

function ofRevision(target: RouteTarget, name: string, seen: RouteNeighbours): ResolvedTarget {
  const revision = seen.revisions.get(name);
  if (revision?.wasReady === true) return { target, revision: name };
  const missing = { kind: "Revision", name, exists: revision !== undefined } as const;
  return { target, missing, ...(revision === undefined ? {} : { candidate: name }) };
}

function ofConfiguration(target: RouteTarget, name: string, seen: RouteNeighbours): ResolvedTarget {
  const configuration = seen.configurations.get(name);
  if (configuration === undefined) return { target, missing: { kind: "Configuration", name, exists: false } };
  const { latestReady, latestCreated } = configuration;
  if (latestReady !== undefined) return ofRevision(target, latestReady, seen);
  const exists = latestCreated !== undefined && seen.revisions.has(latestCreated);
  return {
    target,
    missing: { kind: "Configuration", name, exists: true },
    ...(exists ? { candidate: latestCreated } : {}),
  };
}
