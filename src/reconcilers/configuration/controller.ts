/** Wiring of the Configuration controller. */
import { isReason } from "../../api/meta/errors.ts";
import { configurationLabel } from "../../api/labels.ts";
import { Revision } from "../../api/revision.ts";
import { type Controller, TerminalError, keyOf, splitKey, startController } from "../../controller/index.ts";
import type { ReconcilerDeps } from "../deps.ts";
import { type ConfigurationAction, planConfiguration } from "./plan.ts";
import { generationOf } from "./names.ts";

export function startConfigurationController(deps: ReconcilerDeps): Controller {
  const { informers, client, ledger } = deps;
  const { configurations, revisions, routes } = informers;

  const create = async (revision: Revision, key: string) => {
    try {
      revisions.observed(await client.create(Revision, revision));
    } catch (error) {
      if (isReason(error, "Invalid", "Forbidden", "BadRequest")) {
        const configuration = configurations.get(key);
        const event = { type: "Warning", reason: "CreateFailed", message: error.message } as const;
        if (configuration !== undefined) deps.events.record(configuration, event);
        throw new TerminalError(`Cannot create Revision "${revision.metadata.name}"`, { cause: error });
      }
      if (!isReason(error, "AlreadyExists")) throw error;
      // Made before a crash, or before the cache knew; anything else of that name is planned around once the cache shows it.
      const existing = await client.get(Revision, splitKey(keyOf(revision)));
      const owner = revision.metadata.ownerReferences?.[0]?.uid;
      const same = existing.metadata.ownerReferences?.some(({ uid }) => uid === owner) === true;
      if (!same || generationOf(existing) !== generationOf(revision)) throw error;
      revisions.observed(existing);
    }
  };

  return startController(deps, {
    name: "configuration",
    informer: configurations,
    observe: (configuration) => ({
      configuration,
      revisions: revisions.by("configuration", keyOf(configuration)),
      isHeld: (revision) =>
        ledger.routesOf(keyOf(revision)).length > 0 || routes.by("revision", keyOf(revision)).length > 0,
    }),
    plan: planConfiguration,
    execute: (action: ConfigurationAction, key) => create(action.revision, key),
    watch: (enqueue) =>
      revisions.subscribe(({ object }) => {
        const configuration = object.metadata.labels?.[configurationLabel];
        if (configuration !== undefined) enqueue(`${object.metadata.namespace ?? ""}/${configuration}`);
      }),
  });
}
