/**
 * Ends instances whose program doesn't. A Pod's grace is as long as its longest request may take, since Kubernetes counts the drain in; a program that ignores
 * SIGTERM, as one without a handler does that is the first of its container, would keep what it has of its node for all of that. So once a Pod is drained it has
 * the time that is meant for its end, as on one machine, and is then deleted again with hardly any grace, which the API server allows to shorten.
 */
import { isReason } from "../../api/meta/errors.ts";
import type { Client } from "../../client/client.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { Pod } from "../kinds/pod.ts";
import { idOf } from "./objects.ts";

/** From the answer to the kubelet's question to SIGTERM, and from the end to what the API server knows of it. */
const marginMs = 5_000;
/** Where nobody says any more how long a program may take. */
const unknownMs = 30_000;

export interface Overdue {
  /** The Pod is being deleted, and drained: its program is told to end now. `graceMs`: how long that may take. Counts from the first call for a Pod. */
  expect(pod: Pod, graceMs?: number): void;
  /** Forgets Pods of a workload that aren't there any more. */
  retain(workload: string, uids: ReadonlySet<string>): void;
  stop(): void;
}

/** Expects nothing yet. */
export function createOverdue({
  client,
  clock,
  log,
}: {
  client: Pick<Client, "delete">;
  clock: Clock;
  log: Log;
}): Overdue {
  const workloads = new Map<string, Map<string, () => void>>();

  const end = async (pod: Pod): Promise<void> => {
    const { name, namespace = "", uid = "" } = pod.metadata;
    log.info({ instance: name, namespace }, "An instance ignores that it is to end: ending it");
    try {
      await client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 1, preconditions: { uid } });
    } catch (error) {
      // Its own grace ends it later.
      if (!isReason(error, "NotFound", "Conflict")) log.warn({ instance: name, error }, "An instance can't be ended");
    }
  };

  return {
    expect(pod, graceMs = unknownMs) {
      const { namespace = "", uid = "", labels } = pod.metadata;
      const workload = idOf({ namespace, name: labels?.["elafros.dev/revision"] ?? "" });
      const pods = workloads.get(workload) ?? new Map<string, () => void>();
      if (pods.has(uid)) return;
      workloads.set(workload, pods);
      pods.set(
        uid,
        clock.after(graceMs + marginMs, () => void end(pod)),
      );
    },
    retain(workload, uids) {
      const pods = workloads.get(workload);
      for (const [uid, cancel] of pods ?? []) {
        if (uids.has(uid)) continue;
        cancel();
        pods?.delete(uid);
      }
      if (pods?.size === 0) workloads.delete(workload);
    },
    stop() {
      for (const pods of workloads.values()) for (const cancel of pods.values()) cancel();
      workloads.clear();
    },
  };
}
