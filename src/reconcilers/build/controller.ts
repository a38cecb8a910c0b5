/** Wiring of the Build controller. */
import { Build } from "../../api/build.ts";
import { findCondition } from "../../api/meta/conditions.ts";
import { isReason } from "../../api/meta/errors.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import type { Revision } from "../../api/revision.ts";
import { defaultServiceAccount } from "../../api/revision-spec.ts";
import { type Controller, keyOf, splitKey, startController } from "../../controller/index.ts";
import { isOwnedBy } from "../configuration/names.ts";
import { configurationLabel } from "../../api/labels.ts";
import type { ReconcilerDeps } from "../deps.ts";
import { templatesOf } from "../informers.ts";
import { makeBuildSpec } from "./make-build-spec.ts";
import { type BuildAction, type BuildObserved, absentBuild, planBuild } from "./plan.ts";

export function startBuildController(deps: ReconcilerDeps): Controller {
  const { informers, builds: port, client } = deps;
  const { builds, buildTemplates, revisions, secrets, configMaps, serviceAccounts, configurations, namespaces } =
    informers;

  const specOf = (build: Build) => {
    const namespace = build.metadata.namespace ?? "";
    const at = (name: string) => `${namespace}/${name}`;
    const account = serviceAccounts.get(at(build.spec.serviceAccountName ?? defaultServiceAccount));
    const configuration = configurations.get(at(build.metadata.labels?.[configurationLabel] ?? ""));
    const own = configuration !== undefined && isOwnedBy(build, configuration) ? configuration : undefined;
    const pull = [...(account?.imagePullSecrets ?? []), ...(own?.spec.revisionTemplate.spec.imagePullSecrets ?? [])];
    const [template] = templatesOf(build).flatMap((key) => buildTemplates.get(key) ?? []);
    return makeBuildSpec({
      build,
      namespaceUid: namespaces.get(namespace)?.metadata.uid ?? "",
      template,
      hasAccount: account !== undefined,
      secrets: (account?.secrets ?? []).flatMap(({ name }) => secrets.get(at(name)) ?? []),
      pullSecrets: pull.flatMap(({ name }) => secrets.get(at(name)) ?? []),
      source: {
        namespace,
        secret: (name) => secrets.get(at(name)),
        configMap: (name) => configMaps.get(at(name)),
      },
    });
  };

  const execute = async (action: BuildAction, key: string): Promise<void> => {
    switch (action.do) {
      case "start":
        port.start(splitKey(key), action.spec);
        return;
      case "cancel":
        port.cancel(splitKey(key));
        return;
      case "remove":
        port.remove(splitKey(key));
        return;
      case "deleteBuild": {
        const { uid = "", resourceVersion = "" } = action.build.metadata;
        try {
          await client.delete(Build, splitKey(key), { preconditions: { uid, resourceVersion } });
        } catch (error) {
          if (!isReason(error, "NotFound")) throw error;
        }
        return;
      }
    }
  };

  return startController<Build, BuildObserved, BuildAction>(deps, {
    name: "build",
    informer: builds,
    observe: (build) => ({
      build,
      state: port.get(splitKey(keyOf(build))),
      makeSpec: () => specOf(build),
      isAwaited: revisions.by("build", keyOf(build)).some(awaits),
      retentionMs: deps.buildRetentionMs,
      logsLink: logsLinkOf(build),
    }),
    plan: planBuild,
    absent: () => absentBuild,
    execute,
    watch(enqueue) {
      const enqueueAll = (found: readonly Build[]) => {
        for (const build of found) enqueue(keyOf(build));
      };
      const enqueueUnfinished = ({ object }: { object: KubeObject }) =>
        enqueueAll(builds.by("unfinished", object.metadata.namespace ?? ""));
      const ends = [
        port.subscribe((key) => enqueue(keyOf(key))),
        buildTemplates.subscribe(({ object }) => enqueueAll(builds.by("template", keyOf(object)))),
        secrets.subscribe(enqueueUnfinished),
        configMaps.subscribe(enqueueUnfinished),
        serviceAccounts.subscribe(enqueueUnfinished),
        revisions.subscribe(({ type, object, old }) => {
          const { buildName = "" } = object.spec;
          if (buildName === "") return;
          // Only that it learned what its Build made, or is gone, can let the Build go.
          const settled = type === "deleted" || (old !== undefined && awaits(old) && !awaits(object));
          if (settled) enqueue(`${object.metadata.namespace ?? ""}/${buildName}`);
        }),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  });
}

/** Whether the Revision doesn't know yet what its Build made, or why it failed. */
function awaits({ status }: Revision): boolean {
  if (status?.imageDigest !== undefined) return false;
  return findCondition(status?.conditions, "BuildComplete")?.status !== "False";
}

/** The output of all steps, one after the other. */
function logsLinkOf({ metadata }: Build): string {
  return `/api/v1/namespaces/${metadata.namespace ?? ""}/pods/${metadata.name}-build/log`;
}
