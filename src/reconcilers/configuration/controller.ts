/** Wiring of the Configuration controller. */
import { Build } from "../../api/build.ts";
import type { Configuration } from "../../api/configuration.ts";
import { configurationLabel } from "../../api/labels.ts";
import { isReason } from "../../api/meta/errors.ts";
import type { Kind } from "../../api/meta/kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import { Revision } from "../../api/revision.ts";
import {
  type Controller,
  type Informer,
  TerminalError,
  keyOf,
  splitKey,
  startController,
} from "../../controller/index.ts";
import type { ReconcilerDeps } from "../deps.ts";
import { generationOf } from "./names.ts";
import { type ConfigurationAction, planConfiguration } from "./plan.ts";

export function startConfigurationController(deps: ReconcilerDeps): Controller {
  const { informers, ledger } = deps;
  const { configurations, revisions, routes, builds } = informers;

  const execute = async (action: ConfigurationAction, key: string): Promise<void> => {
    switch (action.do) {
      case "createBuild":
        await create(deps, { kind: Build, cache: builds, object: action.build }, key);
        return;
      case "createRevision":
        await create(deps, { kind: Revision, cache: revisions, object: action.revision }, key);
        return;
    }
  };

  return startController<Configuration, Parameters<typeof planConfiguration>[0], ConfigurationAction>(deps, {
    name: "configuration",
    informer: configurations,
    observe: (configuration) => ({
      configuration,
      revisions: revisions.by("configuration", keyOf(configuration)),
      builds: builds.by("configuration", keyOf(configuration)),
      isBuildName: (name) => builds.get(`${configuration.metadata.namespace ?? ""}/${name}`) !== undefined,
      buildRetentionMs: deps.buildRetentionMs,
      isHeld: (revision) =>
        ledger.routesOf(keyOf(revision)).length > 0 || routes.by("revision", keyOf(revision)).length > 0,
    }),
    plan: planConfiguration,
    execute,
    watch: (enqueue) =>
      revisions.subscribe(({ object }) => {
        const configuration = object.metadata.labels?.[configurationLabel];
        if (configuration !== undefined) enqueue(`${object.metadata.namespace ?? ""}/${configuration}`);
      }),
  });
}

/** Creates a child, and has it in the cache afterwards: what is planned next knows it. */
async function create<T extends KubeObject>(
  deps: ReconcilerDeps,
  { kind, cache, object }: { kind: Kind<T>; cache: Informer<T>; object: T },
  key: string,
): Promise<void> {
  const { client, informers } = deps;
  try {
    cache.observed(await client.create(kind, object));
  } catch (error) {
    if (isReason(error, "Invalid", "Forbidden", "BadRequest")) {
      const configuration = informers.configurations.get(key);
      const event = { type: "Warning", reason: "CreateFailed", message: error.message } as const;
      if (configuration !== undefined) deps.events.record(configuration, event);
      throw new TerminalError(`Cannot create ${kind.kind} "${object.metadata.name}"`, { cause: error });
    }
    if (!isReason(error, "AlreadyExists")) throw error;
    // Made before a crash, or before the cache knew; anything else of that name is planned around once the cache shows it.
    const existing = await client.get(kind, splitKey(keyOf(object)));
    const owner = object.metadata.ownerReferences?.[0]?.uid;
    const same = existing.metadata.ownerReferences?.some(({ uid }) => uid === owner) === true;
    if (!same || generationOf(existing) !== generationOf(object)) throw error;
    cache.observed(existing);
  }
}
