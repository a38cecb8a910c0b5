/**
 * What to do about a Configuration: one Revision for the generation that is there now, and a status that says which is the latest
 * and which is ready. Pure.
 */
import {
  markLatestDeleted,
  markLatestFailed,
  markLatestPending,
  markLatestReady,
} from "../../api/configuration.conditions.ts";
import type { Configuration, ConfigurationStatus } from "../../api/configuration.ts";
import { revisionFailure, wasReady } from "../../api/revision.conditions.ts";
import type { Revision } from "../../api/revision.ts";
import type { Plan, PlannedEvent } from "../../controller/plan.ts";
import { makeRevision } from "./make-revision.ts";
import { alternativeName, generationOf, generationOfName, revisionName } from "./names.ts";

export interface ConfigurationObserved {
  readonly configuration: Configuration;
  /** The Revisions that carry the Configuration's label, also those of an earlier Configuration of that name. */
  readonly revisions: readonly Revision[];
  /** Whether a Route names the Revision, so that it stays although it is deleted. */
  isHeld(revision: Revision): boolean;
}

export type ConfigurationAction = { do: "createRevision"; revision: Revision };

export function planConfiguration(
  seen: ConfigurationObserved,
  now: number,
): Plan<ConfigurationStatus, ConfigurationAction> {
  const { configuration } = seen;
  const { metadata, status = {} } = configuration;
  if (metadata.deletionTimestamp !== undefined) return { actions: [], events: [] };

  const generation = metadata.generation ?? 1;
  const owned = seen.revisions.filter((revision) => isOwnedBy(revision, configuration));
  const current = owned.find((revision) => generationOf(revision) === generation);
  if (current === undefined && !wasMade(configuration, generation)) return planCreation(seen, owned, now);

  const ready = latestReady(configuration, owned);
  const conditions = conditionsOf(status.conditions, current, now);
  return {
    actions: [],
    status: {
      ...status,
      conditions,
      observedGeneration: generation,
      ...(current === undefined ? {} : { latestCreatedRevisionName: current.metadata.name }),
      ...(ready === undefined ? {} : { latestReadyRevisionName: ready.metadata.name }),
    },
    events: readyEvents(configuration, ready),
  };
}

/** The generation has no Revision yet. */
function planCreation(
  seen: ConfigurationObserved,
  owned: readonly Revision[],
  now: number,
): Plan<ConfigurationStatus, ConfigurationAction> {
  const { configuration } = seen;
  const { metadata, status = {} } = configuration;
  let name = revisionName(metadata.name, metadata.generation ?? 1);
  const holder = seen.revisions.find((revision) => revision.metadata.name === name);
  if (holder !== undefined) {
    // A leftover of an earlier Configuration of this name. It goes by itself, and that wakes this plan, unless a Route holds it.
    if (!seen.isHeld(holder)) return { actions: [], events: [] };
    name = alternativeName(name, metadata.uid ?? "");
  }
  const revision = makeRevision(configuration, name);
  const ready = latestReady(configuration, owned);
  return {
    actions: [{ do: "createRevision", revision }],
    status: {
      ...status,
      conditions: markLatestPending(status.conditions, now),
      observedGeneration: metadata.generation ?? 1,
      latestCreatedRevisionName: name,
      ...(ready === undefined ? {} : { latestReadyRevisionName: ready.metadata.name }),
    },
    events: [{ type: "Normal", reason: "Created", message: `Created Revision "${name}"` }],
  };
}

/** Whether the Revision of this generation was made before; if it isn't there, it was deleted, and isn't made again. */
function wasMade(configuration: Configuration, generation: number): boolean {
  const created = configuration.status?.latestCreatedRevisionName;
  return (
    created !== undefined &&
    generationOfName(configuration.metadata.name, created) === generation &&
    configuration.status?.observedGeneration === generation
  );
}

/** The newest ready Revision, if it is newer than the one that the status names: an older one never takes it back. */
function latestReady(configuration: Configuration, owned: readonly Revision[]): Revision | undefined {
  const named = configuration.status?.latestReadyRevisionName;
  const known = named === undefined ? undefined : owned.find(({ metadata }) => metadata.name === named);
  const atLeast =
    known !== undefined
      ? generationOf(known)
      : named === undefined
        ? 0
        : generationOfName(configuration.metadata.name, named);
  return owned
    .filter(({ status, metadata }) => wasReady(status?.conditions) && metadata.deletionTimestamp === undefined)
    .filter((revision) => generationOf(revision) > atLeast)
    .toSorted((a, b) => generationOf(b) - generationOf(a))[0];
}

function conditionsOf(before: ConfigurationStatus["conditions"], latest: Revision | undefined, now: number) {
  if (latest === undefined || latest.metadata.deletionTimestamp !== undefined) return markLatestDeleted(before, now);
  if (wasReady(latest.status?.conditions)) return markLatestReady(before, now);
  const failure = revisionFailure(latest.status?.conditions);
  return failure === undefined ? markLatestPending(before, now) : markLatestFailed(before, failure, now);
}

function readyEvents(configuration: Configuration, ready: Revision | undefined): PlannedEvent[] {
  if (ready === undefined || ready.metadata.name === configuration.status?.latestReadyRevisionName) return [];
  return [{ type: "Normal", reason: "LatestReadyUpdated", message: `Revision "${ready.metadata.name}" is ready` }];
}

/** Whether the Configuration, and not an earlier one of the same name, made the Revision. */
export function isOwnedBy(revision: Revision, configuration: Configuration): boolean {
  return (revision.metadata.ownerReferences ?? []).some(({ uid }) => uid === configuration.metadata.uid);
}
