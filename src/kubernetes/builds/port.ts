/**
 * The builds port on Kubernetes: a Pod for each build, whose init containers are the steps. What is wanted is kept in memory and said again by the controllers after a
 * restart; how a build is, its Pod says, so that whoever leads next goes on. No step runs twice: a Pod isn't restarted, is noted on its Build before anything
 * in it can begin, and a build whose noted Pod is gone has failed.
 */
import type { Build } from "../../api/build.ts";
import { buildNameLabel } from "../../api/labels.ts";
import { isReason } from "../../api/meta/errors.ts";
import { defaultServiceAccount } from "../../api/revision-spec.ts";
import { keyOf, startInformer } from "../../client/informer.ts";
import { createQueue } from "../../controller/queue.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { cancelledFailure } from "../../runtime/build-words.ts";
import type { BuildFailure, BuildKey, BuildsPort, BuildState } from "../../runtime/builds.ts";
import type { ClusterClient } from "../client.ts";
import { Pod } from "../kinds/pod.ts";
import { type Entry, entryState } from "./entry.ts";
import { stepLog } from "./logs.ts";
import type { PodFacts } from "./make-pod.ts";
import type { DoorFacts } from "./make-secrets.ts";
import { buildPodName, endAnnotation } from "./names.ts";
import { notedPod, notePod } from "./note.ts";
import { applySecrets, createPod, deletePod, deleteSecrets, endPod } from "./pods.ts";
import { deletedFailure, finalRefusal, specRefusal } from "./refusals.ts";
import { buildOf, hasBegun, hasEnded } from "./state.ts";
import type { StepMemory } from "./step-resources.ts";
import { vainFailure, waitingOf } from "./waiting.ts";

export interface ClusterBuildsOptions {
  client: ClusterClient;
  clock: Clock;
  log: Log;
  /** The Build of a key, as far as it is known. */
  build(key: BuildKey): Build | undefined;
  /** The images that the platform's own containers and its tools' steps run. */
  images: Pick<PodFacts, "image" | "tools">;
  /** Memory of steps that say nothing of it. */
  stepMemory: StepMemory;
  /** The way to the installation's registry; absent: it names none. */
  door?: DoorFacts | undefined;
  /** Authorities that it trusts besides the public ones, PEM. */
  authorities?: (() => Promise<string | undefined>) | undefined;
}

export interface ClusterBuilds extends BuildsPort {
  /** Resolves once everything that is there is known. */
  synced: Promise<void>;
  /** Ends it, and leaves everything running. */
  close(): Promise<void>;
}

const workers = 2;
const retry = { baseMs: 250, maxMs: 30_000, jitter: 0.5 };

/** Starts following the cluster. */
export function createClusterBuilds(options: ClusterBuildsOptions): ClusterBuilds {
  const { client, clock, log } = options;
  const entries = new Map<string, Entry>();
  const listeners = new Set<(key: BuildKey) => void>();
  const pods = startInformer<Pod>({ client, clock, log, kind: Pod, labelSelector: buildNameLabel });
  const queue = createQueue({ clock, backoff: retry });
  const idOf = ({ namespace, name }: BuildKey) => `${namespace}/${name}`;
  const podOf = (key: BuildKey) => pods.get(keyOf({ namespace: key.namespace, name: buildPodName(key) }));
  const changed = (key: BuildKey) => {
    for (const listener of listeners) listener(key);
    queue.add(idOf(key));
  };

  const stateOf = (key: BuildKey): BuildState | undefined => entryState(entries.get(idOf(key)), podOf(key));

  const reconcile = async (entry: Entry): Promise<void> => {
    const { key, uid, spec } = entry;
    const pod = podOf(key);
    const of = pod === undefined ? undefined : buildOf(pod);
    if (entry.removed === true) {
      if (pod !== undefined && of?.uid === uid) await deletePod(client, pod);
      entries.delete(idOf(key));
      return;
    }
    if (pod !== undefined && of?.uid === uid) {
      entry.seen = true;
      await admit(entry, pod);
      return attend(entry, pod);
    }
    if (entry.failed !== undefined) return tidy(entry);
    if (spec === undefined) return;
    if (entry.cancelled === true) return fail(entry, cancelledFailure);
    if (pod !== undefined) {
      // Of a Build that had this name before: its Pod goes with it, or now.
      await deletePod(client, pod);
      entry.refused = `Waiting for Pod "${buildPodName(key)}" of an earlier Build to end`;
      return;
    }
    const build = options.build(key);
    const isKnown = entry.seen === true || build?.status?.startTime !== undefined;
    const noted = isKnown ? undefined : await notedPod(client, key, uid);
    // The Build is gone: that this is wanted no more is said soon.
    if (!isKnown && noted === undefined) return;
    if (isKnown || noted !== "none") {
      entry.hasSecrets = true;
      return fail(entry, deletedFailure(key));
    }
    const serviceAccountName = build?.spec.serviceAccountName ?? defaultServiceAccount;
    const facts = { ...options.images, stepMemory: options.stepMemory, serviceAccountName };
    const created = await createPod(client, key, { spec, facts, installation: await installation() });
    pods.observed(created);
    delete entry.refused;
    await admit(entry, created);
  };

  const installation = async () => ({ door: options.door, authorities: await options.authorities?.() });

  /** Notes a Pod that hasn't begun, and then lets it. One besides the noted one is of a controller that led before: what that made is gone, and this never begins. */
  const admit = async (entry: Entry, pod: Pod): Promise<void> => {
    const { key, uid, spec, failed, admitted } = entry;
    const { uid: podUid = "", annotations } = pod.metadata;
    const isOver = hasBegun(pod) || hasEnded(pod) || annotations?.[endAnnotation] !== undefined;
    if (isOver || spec === undefined || failed !== undefined || admitted === podUid) return;
    const noted = await notePod(client, key, { uid, pod: podUid });
    if (noted === undefined) return;
    if (noted !== podUid) return fail(entry, deletedFailure(key));
    entry.hasSecrets = true;
    await applySecrets(client, key, { spec, installation: await installation() });
    entry.admitted = podUid;
  };

  /** What has failed without a Pod needs no credentials either. */
  const tidy = async (entry: Entry): Promise<void> => {
    if (entry.hasSecrets !== true || entry.tidied === true) return;
    await deleteSecrets(client, entry.key, entry.uid);
    entry.tidied = true;
  };

  /** Ends a Pod that is to end, and tidies up after one that has. */
  const attend = async (entry: Entry, pod: Pod): Promise<void> => {
    if (hasEnded(pod)) {
      if (entry.tidied !== true) await deleteSecrets(client, entry.key, entry.uid);
      entry.tidied = true;
      return;
    }
    // It is being ended, and each word more would wake this again.
    if (pod.metadata.annotations?.[endAnnotation] !== undefined) return;
    const now = clock.now();
    const said = waitingOf(pod);
    const wanted = entry.cancelled === true ? cancelledFailure : entry.failed?.failure;
    const failure = wanted ?? vainFailure(pod, entry.said) ?? late(entry, pod);
    // The first word of a failed pull says why, later ones that it is waited.
    if (said?.vain !== undefined) entry.said ??= said;
    if (failure === undefined) return;
    const patched = await endPod(client, pod, { failure, at: now });
    if (patched !== undefined) pods.observed(patched);
  };

  /** A Pod that never begins has no deadline of Kubernetes'. */
  const late = ({ key }: Entry, pod: Pod): BuildFailure | undefined => {
    const timeoutMs = (pod.spec?.activeDeadlineSeconds ?? 0) * 1_000;
    if (hasBegun(pod) || timeoutMs === 0) return undefined;
    const left = Date.parse(pod.metadata.creationTimestamp ?? "") + timeoutMs - clock.now();
    if (left > 0) {
      queue.addAfter(idOf(key), left);
      return undefined;
    }
    const why = waitingOf(pod)?.message ?? "its Pod did not begin";
    return {
      reason: "BuildTimeout",
      message: `Build did not begin within its timeout of ${timeoutMs / 1000}s: ${why}`,
    };
  };

  const fail = (entry: Entry, failure: BuildFailure): void => {
    entry.failed = { failure, at: clock.now() };
    changed(entry.key);
  };

  const work = async (): Promise<void> => {
    for (let id = await queue.take(); id !== undefined; id = await queue.take()) {
      const entry = entries.get(id);
      try {
        if (entry !== undefined) await reconcile(entry);
        queue.forget(id);
      } catch (error) {
        if (entry !== undefined) refused(entry, error, queue.addFailed(id));
      } finally {
        queue.done(id);
      }
    }
  };

  /** What the cluster doesn't take: a failure where trying again is of no use, else what is waited for. */
  const refused = (entry: Entry, error: unknown, delay: number): void => {
    const final = finalRefusal(error);
    if (final !== undefined) return fail(entry, final);
    const words = isReason(error, "Forbidden") ? `The cluster refuses its Pod: ${(error as Error).message}` : undefined;
    if (words !== undefined && entry.refused !== words) {
      entry.refused = words;
      for (const listener of listeners) listener(entry.key);
    }
    if (!isReason(error, "Conflict"))
      log.warn({ build: idOf(entry.key), error, delay }, "Cannot bring a build about; trying again");
  };

  /** What is there of builds that nobody has declared yet. */
  const known = (pod: Pod): void => {
    const of = buildOf(pod);
    if (of === undefined) return;
    const entry = entries.get(idOf(of.key));
    if (entry === undefined) entries.set(idOf(of.key), { ...of, since: clock.now(), seen: true });
    changed(of.key);
  };

  const synced = pods.synced.then(() => {
    for (const pod of pods.list()) known(pod);
    pods.subscribe(({ type, object }) => {
      const of = buildOf(object);
      if (of === undefined) return;
      const entry = entries.get(idOf(of.key));
      if (type === "deleted" && entry?.spec === undefined) entries.delete(idOf(of.key));
      if (type === "deleted") changed(of.key);
      else known(object);
    });
  });
  const working = synced.then(() => Promise.all(Array.from({ length: workers }, work)));

  return {
    synced,
    start(key, spec) {
      const entry = entries.get(idOf(key));
      if (entry?.uid === spec.uid && entry.removed !== true) {
        entry.spec ??= spec;
      } else {
        const refusal = specRefusal(spec, options.door !== undefined);
        entries.set(idOf(key), {
          key,
          uid: spec.uid,
          spec,
          since: clock.now(),
          ...(refusal === undefined ? {} : { failed: { failure: refusal, at: clock.now() } }),
        });
      }
      changed(key);
    },
    cancel(key) {
      const entry = entries.get(idOf(key));
      if (entry === undefined || entry.failed !== undefined) return;
      entry.cancelled = true;
      queue.add(idOf(key));
    },
    remove(key) {
      const entry = entries.get(idOf(key));
      if (entry === undefined || entry.removed === true) return;
      entry.removed = true;
      changed(key);
    },
    get: stateOf,
    list: () => [...entries.values()].flatMap(({ key }) => stateOf(key) ?? []),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    logs(key, step, logOptions) {
      const now = () => stateOf(key);
      const subscribe = (listener: () => void) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      };
      return stepLog(client, { key, step, now, subscribe, clock }, logOptions);
    },
    async close() {
      queue.close();
      await pods.stop();
      await working;
    },
  };
}
