/**
 * The workloads port on Kubernetes: a Deployment and a headless Service for each Revision. What is wanted is kept in memory and said again by the
 * controllers after a restart; what is there is read from the cluster. A queue of workloads leads the one to the other.
 *
 * No request is lost when an instance goes. This process makes a workload smaller only by Pods that it has drained before. Whoever else deletes a Pod (a
 * node that is drained, a rollout, a person), its deletion is seen here, it leaves every route table, and the kubelet asks by `drained` before
 * it tells the process to end.
 */
import { ApiError, isReason } from "../../api/meta/errors.ts";
import type { Revision } from "../../api/revision.ts";
import type { Secret } from "../../api/secret.ts";
import { createQueue } from "../../controller/queue.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Drain, InstanceSpec, WorkloadKey, WorkloadProblem, WorkloadsPort } from "../../runtime/workloads.ts";
import type { ClusterClient } from "../client.ts";
import { Pod } from "../kinds/pod.ts";
import { createDrains } from "./drains.ts";
import { type ClusterFacts, factsOf } from "./facts.ts";
import { hasEnded } from "./instance-state.ts";
import { readLogs } from "./logs.ts";
import { followObjects, idOf, objectsOf } from "./objects.ts";
import { planScale } from "./plan.ts";
import {
  applyWorkload,
  ignoreGone,
  OccupiedError,
  removeDeployment,
  setExpendable,
  type Written,
} from "./reconcile.ts";
import { createPodLooks } from "./pod-looks.ts";
import { createStates } from "./states.ts";

export interface ClusterWorkloadsOptions {
  client: ClusterClient;
  clock: Clock;
  log: Log;
  /** The Revision of a workload, as far as it is known. */
  revision(key: WorkloadKey): Revision | undefined;
  /** A Secret by `namespace/name`, as far as it is known. */
  secret(key: string): Secret | undefined;
  /** Read at each use. */
  cluster: ClusterFacts;
  drain: Drain;
}

export interface ClusterWorkloads extends WorkloadsPort {
  /** Resolves once everything that is there is known. */
  synced: Promise<void>;
  /** Resolves once every Pod of the workload that is being deleted is drained: a kubelet waits for it. */
  drained(key: WorkloadKey): Promise<void>;
  /** Puts a new instance in the place of one that hangs. */
  replace(instanceId: string, why: string): void;
  /** Looks at every workload again: what it is told of the installation has changed. */
  again(): void;
  /** Ends it, and leaves everything running. */
  close(): Promise<void>;
}

interface Entry {
  key: WorkloadKey;
  spec: InstanceSpec | undefined;
  count: number;
  removed: boolean;
  written: Written;
  refused: WorkloadProblem | undefined;
  /** `at` of the problem for which Secrets were applied again. */
  restoredFor?: number;
}

const workers = 4;
const retry = { baseMs: 100, maxMs: 30_000, jitter: 0.5 };

/** Starts following the cluster. */
export function createClusterWorkloads(options: ClusterWorkloadsOptions): ClusterWorkloads {
  const { client, clock, log, cluster } = options;
  const entries = new Map<string, Entry>();
  const objects = followObjects({ client, clock, log });
  const queue = createQueue({ clock, backoff: retry });
  const drains = createDrains(options.drain, (key) => changed(key));
  const states = createStates(objects, drains, clock);
  const look = createPodLooks(client, clock);

  const entryOf = (key: WorkloadKey): Entry => {
    const id = idOf(key);
    const known = entries.get(id);
    if (known !== undefined) return known;
    // After a restart: as many as there are, until the controllers have spoken.
    const count = objects.deployments.get(id)?.spec.replicas ?? 0;
    const entry: Entry = { key, spec: undefined, count, removed: false, written: {}, refused: undefined };
    entries.set(id, entry);
    return entry;
  };

  /** First whoever builds route tables hears that a Pod goes, then it is asked for when it is drained. */
  const changed = (key: WorkloadKey): void => {
    const entry = entryOf(key);
    const pods = objectsOf(objects.pods, key);
    const isGone = pods.length === 0 && objects.deployments.get(idOf(key)) === undefined;
    if (isGone && (entry.removed || entry.spec === undefined)) {
      entries.delete(idOf(key));
      states.forget(key);
    } else {
      states.look(key, { desired: entry.removed ? 0 : entry.count, refused: entry.refused });
    }
    for (const { metadata } of pods) {
      if (metadata.deletionTimestamp !== undefined) drains.begin(key, { name: metadata.name, uid: metadata.uid ?? "" });
    }
    drains.retain(key, new Set(pods.map(({ metadata }) => metadata.uid ?? "")));
    queue.add(idOf(key));
  };

  const reconcile = async (entry: Entry): Promise<void> => {
    const { key, spec } = entry;
    if (spec === undefined && !entry.removed) return;
    const live = objects.deployments.get(idOf(key));
    const count = entry.removed ? 0 : entry.count;
    const replicas = await scaleStep(entry, count, live?.spec.replicas);
    if (entry.removed) {
      if (live === undefined || live.metadata.deletionTimestamp !== undefined) return;
      if (replicas === 0) await removeDeployment(client, live, entry.written);
      return;
    }
    const revision = options.revision(key);
    if (spec === undefined || revision === undefined || (live === undefined && count === 0)) return;
    const problem = states.get(key)?.problem;
    const secretsLost =
      problem?.message.startsWith("CreateContainerConfigError: secret") === true && problem.at !== entry.restoredFor;
    if (secretsLost) entry.restoredFor = problem.at;
    const wanted = { key, spec, replicas, revision: factsOf(revision), cluster, secretsLost };
    await applyWorkload(client, { ...objects, secret: (id) => options.secret(id) }, { wanted, written: entry.written });
  };

  /** Drains what is too many, and says how many replicas there may be by now. */
  const scaleStep = async (entry: Entry, count: number, told: number | undefined): Promise<number> => {
    const { key } = entry;
    const leaving = drains.leaving(key);
    const pods = objectsOf(objects.pods, key).filter(
      (pod) => pod.metadata.deletionTimestamp === undefined && !hasEnded(pod),
    );
    const byName = new Map(pods.map((pod) => [pod.metadata.name, pod]));
    const phases = new Map(states.get(key)?.instances.map(({ id, phase }) => [id, phase]));
    const plan = planScale(
      count,
      told,
      pods.map(({ metadata: { name, creationTimestamp = "" } }) => ({
        name,
        ready: phases.get(name) === "ready" || phases.get(name) === "draining",
        draining: leaving.draining.has(name),
        drained: leaving.drained.has(name),
        createdAt: Date.parse(creationTimestamp),
      })),
    );
    for (const name of plan.keep) drains.keep(key, name);
    if (plan.keep.length + plan.drain.length > 0) {
      states.look(key, { desired: count, refused: entry.refused, without: new Set(plan.drain) });
    }
    for (const name of plan.drain) drains.begin(key, { name, uid: byName.get(name)?.metadata.uid ?? "" });
    for (const [names, expendable] of [
      [plan.keep, false],
      [plan.expend, true],
    ] as const) {
      for (const name of names) {
        const pod = byName.get(name);
        const patched = pod === undefined ? undefined : await setExpendable(client, pod, expendable);
        if (patched !== undefined) objects.pods.observed(patched);
      }
    }
    return plan.replicas;
  };

  const work = async (): Promise<void> => {
    for (let id = await queue.take(); id !== undefined; id = await queue.take()) {
      const entry = entries.get(id);
      try {
        if (entry !== undefined) await reconcile(entry);
        queue.forget(id);
        if (entry?.refused !== undefined) {
          entry.refused = undefined;
          changed(entry.key);
        }
      } catch (error) {
        const delay = queue.addFailed(id);
        const refused = refusal(error, clock.now());
        if (entry === undefined || refused === undefined) {
          if (!isReason(error, "Conflict"))
            log.warn({ workload: id, error, delay }, "Cannot bring a workload about; trying again");
        } else if (entry.refused?.message !== refused.message) {
          log.warn({ workload: id, error: refused.message }, "The cluster refuses a workload");
          entry.refused = refused;
          states.look(entry.key, { desired: entry.count, refused });
        }
      } finally {
        queue.done(id);
      }
    }
  };

  const synced = objects.synced.then(() => {
    for (const { metadata } of [...objects.deployments.list(), ...objects.pods.list()]) {
      const name = metadata.labels?.["elafros.dev/revision"] ?? "";
      changed({ namespace: metadata.namespace ?? "", name });
    }
    objects.subscribe(changed);
  });
  const working = synced.then(() => Promise.all(Array.from({ length: workers }, work)));

  return {
    synced,
    scale(key, spec, count) {
      const entry = entryOf(key);
      Object.assign(entry, { spec, count, removed: false });
      changed(key);
    },
    remove(key) {
      const entry = entries.get(idOf(key));
      if (entry === undefined || entry.removed) return;
      entry.removed = true;
      changed(key);
    },
    get: (key) => states.get(key),
    list: () => states.list(),
    subscribe: (listener) => states.subscribe(listener),
    logs: (instanceId, logOptions) =>
      readLogs(client, objects.pods, { instanceId, options: logOptions, now: () => clock.now() }),
    async drained(key) {
      // The kubelet knows of the deletion before a watch may have brought it here: the server itself knows at least as much.
      // Only where there is any: no table has another.
      const items = objectsOf(objects.pods, key).length === 0 ? [] : await look(key);
      for (const pod of items) objects.pods.observed(pod);
      const going = items.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
      await Promise.all(going.map(({ metadata }) => drains.ended(key, metadata.uid ?? "")));
    },
    replace(instanceId, why) {
      const pod = objects.pods.list().find(({ metadata }) => metadata.name === instanceId);
      if (pod === undefined) return;
      log.warn({ instance: instanceId, why }, "Replacing an instance");
      const { name, namespace = "", uid } = pod.metadata;
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      ignoreGone(client.delete(Pod, { namespace, name }, preconditions)).catch((error: unknown) =>
        log.warn({ instance: instanceId, error }, "An instance can't be replaced"),
      );
    },
    again() {
      for (const id of entries.keys()) queue.add(id);
    },
    async close() {
      queue.close();
      await objects.stop();
      await working;
    },
  };
}

/** What the cluster doesn't take, whoever asks again: a problem of the workload. Undefined for what may be otherwise in a moment. */
function refusal(error: unknown, at: number): WorkloadProblem | undefined {
  if (error instanceof OccupiedError) return { reason: "StartFailed", message: error.message, at };
  if (!(error instanceof ApiError) || !isReason(error, "Invalid", "Forbidden", "BadRequest")) return undefined;
  const scarce = error.message.includes("exceeded quota");
  return {
    reason: scarce ? "InsufficientResources" : "StartFailed",
    message: `The cluster refuses it: ${error.message}`,
    at,
  };
}
