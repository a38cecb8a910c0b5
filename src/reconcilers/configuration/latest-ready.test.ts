import { expect, it } from "vitest";
import type { Configuration } from "../../api/configuration.ts";
import { markDeploying, markReady } from "../../api/revision.conditions.ts";
import type { Revision } from "../../api/revision.ts";
import { latestReadyName } from "./latest-ready.ts";
import { makeRevision } from "./make-revision.ts";

const now = Date.UTC(2026, 0, 1);

function configuration(generation: number, latestReadyRevisionName?: string): Configuration {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name: "app", namespace: "ns", uid: "1a2b3c4d-0000", generation },
    spec: { revisionTemplate: { spec: { container: { image: "app:1" } } } },
    status: latestReadyRevisionName === undefined ? {} : { latestReadyRevisionName },
  };
}

function revision(generation: number, state: "new" | "ready" | "deleted" | "foreign"): Revision {
  const made = makeRevision(configuration(generation), `app-0000${generation}`);
  const conditions = state === "new" ? markDeploying([], now) : markReady(markDeploying([], now), now);
  const metadata = {
    ...made.metadata,
    ...(state === "deleted" ? { deletionTimestamp: new Date(now).toISOString() } : {}),
    ...(state === "foreign" ? { ownerReferences: [] } : {}),
  };
  return { ...made, metadata, status: { conditions } };
}

it.each<[string, string | undefined, Revision[], string | undefined]>([
  ["none while none is ready", undefined, [revision(1, "new")], undefined],
  ["the first ready one before the status names it", undefined, [revision(1, "ready")], "app-00001"],
  [
    "a newer ready one before the status names it",
    "app-00001",
    [revision(1, "ready"), revision(2, "ready")],
    "app-00002",
  ],
  ["the newest of several", "app-00001", [revision(3, "ready"), revision(2, "ready")], "app-00003"],
  ["not a newer one that isn't ready", "app-00001", [revision(1, "ready"), revision(2, "new")], "app-00001"],
  ["not an older one that became ready later", "app-00002", [revision(1, "ready"), revision(2, "ready")], "app-00002"],
  ["not an older one where the named one is gone", "app-00002", [revision(1, "ready")], "app-00002"],
  ["not a newer one that is being deleted", "app-00001", [revision(1, "ready"), revision(2, "deleted")], "app-00001"],
  ["not one of an earlier Configuration of the name", undefined, [revision(2, "foreign")], undefined],
])("latestReadyName() finds %s", (_, named, revisions, expected) => {
  expect(latestReadyName(configuration(3, named), revisions)).toBe(expected);
});
