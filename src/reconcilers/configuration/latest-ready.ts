/** Which Revision of a Configuration is the latest that became ready: what Routes follow. Pure. */
import type { Configuration } from "../../api/configuration.ts";
import { wasReady } from "../../api/revision.conditions.ts";
import type { Revision } from "../../api/revision.ts";
import { generationOf, generationOfName, isOwnedBy } from "./names.ts";

/** The newest ready Revision, if it is newer than the one that the status names: an older one never takes it back. */
export function newerReady(configuration: Configuration, owned: readonly Revision[]): Revision | undefined {
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

/**
 * The name of the latest ready Revision: that of the status, or one that became ready since. So a Route moves at once, without waiting until the status says so.
 * @param revisions those that carry the Configuration's label
 */
export function latestReadyName(configuration: Configuration, revisions: readonly Revision[]): string | undefined {
  const owned = revisions.filter((revision) => isOwnedBy(revision, configuration));
  return newerReady(configuration, owned)?.metadata.name ?? configuration.status?.latestReadyRevisionName;
}
