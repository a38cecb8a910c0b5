/** Wiring of the garbage collector of Revisions. */
import { isReason } from "../../api/meta/errors.ts";
import { configurationLabel } from "../../api/labels.ts";
import { wasReady } from "../../api/revision.conditions.ts";
import { Configuration } from "../../api/configuration.ts";
import type { Kind } from "../../api/meta/kind.ts";
import { Revision } from "../../api/revision.ts";
import { type Controller, keyOf, splitKey, startController } from "../../controller/index.ts";
import { isOwnedBy } from "../configuration/names.ts";
import type { ReconcilerDeps } from "../deps.ts";
import { isFollowed, routesNaming } from "../revision/routed.ts";
import { type GarbageAction, type GarbageRules, planGarbage } from "./plan.ts";

export function startGarbageCollector(deps: ReconcilerDeps, rules: GarbageRules): Controller {
  const { informers, ledger, client } = deps;
  const { revisions, configurations, routes } = informers;
  return startController(deps, {
    name: "gc",
    informer: configurations,
    observe: (configuration) => ({
      configuration,
      revisions: revisions.by("configuration", keyOf(configuration)).filter((one) => isOwnedBy(one, configuration)),
      // One that never was ready and has a successor isn't waited for by the Routes that follow its Configuration.
      isRouted: (revision: Revision) =>
        routesNaming(revision, informers, ledger).length > 0 ||
        (wasReady(revision.status?.conditions) && isFollowed(revision, informers)),
      rules,
    }),
    plan: (observed, now) => planGarbage(observed, now),
    async execute(action: GarbageAction) {
      const object = action.do === "deleteRevision" ? action.revision : action.configuration;
      const { uid = "", resourceVersion = "" } = object.metadata;
      const kind: Kind = action.do === "deleteRevision" ? Revision : Configuration;
      try {
        // Only as it was judged: a Route that named the Revision meanwhile has changed its status, a later expiry the Configuration.
        await client.delete(kind, splitKey(keyOf(object)), { preconditions: { uid, resourceVersion } });
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
      }
    },
    workers: 1,
    watch(enqueue) {
      const ends = [
        revisions.subscribe(({ object, type }) => {
          const name = object.metadata.labels?.[configurationLabel];
          if (type !== "deleted" && name !== undefined) enqueue(`${object.metadata.namespace ?? ""}/${name}`);
        }),
        routes.subscribe(({ type, object }) => {
          if (type !== "deleted") return;
          for (const target of object.spec.rollout.traffic) {
            if (target.configurationName !== undefined)
              enqueue(`${object.metadata.namespace ?? ""}/${target.configurationName}`);
          }
        }),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  });
}
