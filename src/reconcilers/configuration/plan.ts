/**
 * What to do about a Configuration: one Revision for the generation that is there now, before it the Build that makes its image, and a status that
 * says which is the latest and which is ready. Pure.
 *
 * The Build is written first: so a Revision's Build that isn't there was deleted, and a crash between the two leaves a Build that the next plan
 * finds by its generation. The other way round, a deleted Build couldn't be told from one that is still to be made.
 */
import type { Build } from "../../api/build.ts";
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
import { newerReady } from "./latest-ready.ts";
import { makeBuild, usableBuild } from "./make-build.ts";
import { makeRevision } from "./make-revision.ts";
import { alternativeName, generationOf, generationOfName, isOwnedBy, revisionName } from "./names.ts";

export interface ConfigurationObserved {
  readonly configuration: Configuration;
  /** The Revisions that carry the Configuration's label, also those of an earlier Configuration of that name. */
  readonly revisions: readonly Revision[];
  /** The Builds that carry the Configuration's label. */
  readonly builds: readonly Build[];
  /** Whether there is a Build of this name, whoever made it. */
  isBuildName(name: string): boolean;
  /** How long finished Builds are kept. */
  readonly buildRetentionMs: number;
  /** Whether a Route names the Revision, so that it stays although it is deleted. */
  isHeld(revision: Revision): boolean;
}

export type ConfigurationAction = { do: "createBuild"; build: Build } | { do: "createRevision"; revision: Revision };

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

  const ready = newerReady(configuration, owned);
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
  const { buildName, made } = planBuild(seen, name, now);
  const revision = makeRevision(configuration, name, buildName);
  const ready = newerReady(configuration, owned);
  return {
    actions: [
      ...(made === undefined ? [] : [{ do: "createBuild", build: made } as const]),
      { do: "createRevision", revision },
    ],
    status: {
      ...status,
      conditions: markLatestPending(status.conditions, now),
      observedGeneration: metadata.generation ?? 1,
      latestCreatedRevisionName: name,
      ...(ready === undefined ? {} : { latestReadyRevisionName: ready.metadata.name }),
    },
    events: [{ type: "Normal", reason: "Created", message: createdWords(name, buildName, made) }],
  };
}

/** A Build that will be deleted within this time isn't used again: its Revision could come too late to learn what it made. */
const deletionMarginMs = 60_000;

/** The Build of a new Revision, and whether it must be made. A Build that the template names is used as it is. */
function planBuild(seen: ConfigurationObserved, name: string, now: number): { buildName?: string; made?: Build } {
  const { configuration, builds } = seen;
  const { build, revisionTemplate } = configuration.spec;
  if (build === undefined || (revisionTemplate.spec.buildName ?? "") !== "") return {};
  const usable = usableBuild(configuration, builds, now - seen.buildRetentionMs + deletionMarginMs);
  if (usable !== undefined) return { buildName: usable.metadata.name };
  // The name may be taken by a Build that a user made.
  const buildName = seen.isBuildName(name) ? alternativeName(name, configuration.metadata.uid ?? "") : name;
  return { buildName, made: makeBuild(configuration, buildName) };
}

function createdWords(name: string, buildName: string | undefined, made: Build | undefined): string {
  if (buildName === undefined) return `Created Revision "${name}"`;
  return made === undefined
    ? `Created Revision "${name}", with the image that Build "${buildName}" makes or has made`
    : `Created Revision "${name}", and Build "${buildName}" to make its image`;
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
