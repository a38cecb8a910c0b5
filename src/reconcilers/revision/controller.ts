/** Wiring of the Revision controller. */
import { isReason } from "../../api/meta/errors.ts";
import { routedFinalizer } from "../../api/labels.ts";
import { Revision } from "../../api/revision.ts";
import { type Controller, keyOf, splitKey, startController } from "../../controller/index.ts";
import type { ScaleInput } from "../../autoscaler/port.ts";
import { later } from "../../lib/later.ts";
import type { RegistryAuth } from "../../runtime/workloads.ts";
import type { ReconcilerDeps } from "../deps.ts";
import { followedBy, namedBy } from "../informers.ts";
import { viewBuild } from "./build.ts";
import { createImageResolver } from "./image-resolver.ts";
import { makeInstanceSpec } from "./make-instance-spec.ts";
import { createNotices } from "./notices.ts";
import { type RevisionAction, absentRevision, planRevision } from "./plan.ts";
import { registryAuths } from "./pull-secrets.ts";
import { isFollowed, routesNaming } from "./routed.ts";

export function startRevisionController(deps: ReconcilerDeps): Controller {
  const { informers, workloads, traffic, ledger, scaling } = deps;
  const { revisions, routes, secrets, configMaps, serviceAccounts, configurations, builds } = informers;
  const toldProblems = new Map<string, number>();
  const toldSteps = new Map<string, number>();
  const notices = createNotices();
  let wake: (key: string) => void = () => {};
  const images = createImageResolver(deps.images, deps.clock, (key) => wake(key));

  const authsOf = (revision: Revision): RegistryAuth[] => {
    const namespace = revision.metadata.namespace ?? "";
    const account = serviceAccounts.get(`${namespace}/${revision.spec.serviceAccountName ?? "default"}`);
    const names = [...(revision.spec.imagePullSecrets ?? []), ...(account?.imagePullSecrets ?? [])];
    return registryAuths(names.flatMap(({ name }) => secrets.get(`${namespace}/${name}`) ?? []));
  };

  const execute = async (action: RevisionAction, key: string): Promise<void> => {
    switch (action.do) {
      case "resolveImage":
        images.resolve(key, action.request);
        return;
      case "setTraffic":
        traffic.setRevision(action.traffic);
        return;
      case "scale":
        images.forget(key);
        scaling.declare(key, action.input, action.spec);
        return;
      case "hold":
        scaling.hold(key);
        return;
      case "stepsTold":
        toldSteps.set(key, action.at);
        return;
      case "removeWorkload":
        images.forget(key);
        toldProblems.delete(key);
        toldSteps.delete(key);
        scaling.remove(key);
        return;
      case "removeTraffic":
        traffic.removeRevision(key);
        return;
      case "problemTold":
        toldProblems.set(key, action.at);
        return;
      case "removeFinalizer":
        await removeFinalizer(deps, action.revision);
        return;
    }
  };

  return startController(deps, {
    name: "revision",
    informer: revisions,
    observe(revision) {
      const key = keyOf(revision);
      const namespace = revision.metadata.namespace ?? "";
      const auths = authsOf(revision);
      const naming = routesNaming(revision, informers, ledger);
      return {
        revision,
        routes: naming,
        routed: naming.length > 0 || isFollowed(revision, informers),
        workload: workloads.get(splitKey(key)),
        build: viewBuild(revision, builds.get(`${namespace}/${revision.spec.buildName ?? ""}`)),
        image: images.get(key),
        auths,
        makeSpec: (image: string) =>
          makeInstanceSpec({
            revision,
            image,
            auths,
            source: {
              namespace,
              secret: (name) => secrets.get(`${namespace}/${name}`),
              configMap: (name) => configMaps.get(`${namespace}/${name}`),
            },
          }),
        decide: (input: ScaleInput) => scaling.decide(key, input),
        steps: scaling.steps(key),
        toldStepAt: toldSteps.get(key) ?? 0,
        toldProblemAt: toldProblems.get(key),
        progressDeadlineMs: deps.progressDeadlineMs,
        freezes: deps.freezes,
        logUrl: deps.logUrlOf({ namespace, name: revision.metadata.name }),
      };
    },
    plan: planRevision,
    absent: () => absentRevision,
    execute,
    workers: 8,
    watch(enqueue) {
      wake = enqueue;
      const enqueueAll = (found: readonly Revision[]) => {
        for (const revision of found) enqueue(keyOf(revision));
      };
      const ends = [
        workloads.subscribe((workload) => {
          const key = `${workload.namespace}/${workload.name}`;
          const revision = revisions.get(key);
          const events = notices.look(key, workloads.get(workload));
          if (revision !== undefined) for (const event of events) deps.events.record(revision, event);
          // First the gateways are told of an instance, then the status: a request may wait for it.
          later(() => enqueue(key));
        }),
        scaling.subscribe((key) => later(() => enqueue(key))),
        ledger.subscribe((_route, concerned) => {
          for (const key of concerned) enqueue(key);
        }),
        routes.subscribe(({ object, old }) => {
          for (const route of old === undefined ? [object] : [object, old]) {
            const namespace = route.metadata.namespace ?? "";
            for (const name of namedBy(route)) enqueue(`${namespace}/${name}`);
            for (const name of followedBy(route)) enqueueAll(revisions.by("configuration", `${namespace}/${name}`));
          }
        }),
        configurations.subscribe(({ object, old }) => {
          if (object.status?.latestReadyRevisionName === old?.status?.latestReadyRevisionName) return;
          enqueueAll(revisions.by("configuration", keyOf(object)));
        }),
        builds.subscribe(({ object }) => enqueueAll(revisions.by("build", keyOf(object)))),
        configMaps.subscribe(({ object }) => enqueueAll(revisions.by("configMap", keyOf(object)))),
        secrets.subscribe(({ object }) => {
          enqueueAll(revisions.by("secret", keyOf(object)));
          for (const account of serviceAccounts.list()) {
            if (account.metadata.namespace !== object.metadata.namespace) continue;
            if (account.imagePullSecrets?.some(({ name }) => name === object.metadata.name) !== true) continue;
            enqueueAll(revisions.by("serviceAccount", keyOf(account)));
          }
        }),
        serviceAccounts.subscribe(({ object }) => enqueueAll(revisions.by("serviceAccount", keyOf(object)))),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  });
}

async function removeFinalizer(deps: ReconcilerDeps, revision: Revision): Promise<void> {
  const finalizers = (revision.metadata.finalizers ?? []).filter((name) => name !== routedFinalizer);
  try {
    await deps.client.update(Revision, {
      ...structuredClone(revision),
      metadata: { ...revision.metadata, finalizers },
    });
  } catch (error) {
    if (!isReason(error, "NotFound")) throw error;
  }
}
