/** Which Routes lead to a Revision. */
import type { Revision } from "../../api/revision.ts";
import { configurationLabel } from "../../api/labels.ts";
import { keyOf } from "../../controller/index.ts";
import { generationOf, generationOfName, isOwnedBy } from "../configuration/names.ts";
import type { Informers } from "../deps.ts";
import type { Ledger } from "../route/ledger.ts";

/** Names of the Routes that pin the Revision, serve it, or have told the gateways so, sorted. */
export function routesNaming(revision: Revision, { routes }: Informers, ledger: Ledger): string[] {
  const key = keyOf(revision);
  const names = new Set(routes.by("revision", key).map(({ metadata }) => metadata.name));
  for (const route of ledger.routesOf(key)) names.add(route.slice(route.indexOf("/") + 1));
  return [...names].toSorted();
}

/**
 * Whether a Route follows the Revision's Configuration and the Revision is its latest ready one or newer: the Route will lead to it,
 * or already does without having told so. Without this, a Revision would lose its instance between being ready and being routed.
 */
export function isFollowed(revision: Revision, { routes, configurations }: Informers): boolean {
  const name = revision.metadata.labels?.[configurationLabel];
  if (name === undefined) return false;
  const key = `${revision.metadata.namespace ?? ""}/${name}`;
  if (routes.by("configuration", key).length === 0) return false;
  const configuration = configurations.get(key);
  if (configuration === undefined || !isOwnedBy(revision, configuration)) return false;
  const latest = configuration.status?.latestReadyRevisionName;
  return latest === undefined || generationOf(revision) >= generationOfName(name, latest);
}
