/**
 * Asks the API server itself for the Pods of a workload, as they are no earlier than the question: a watch may lag behind what a kubelet knows. Anybody in the
 * cluster may have that done (the question for drained instances needs no credentials), and a node that is drained asks for many at once. So one
 * call serves all who ask before it begins, and the next one for the same workload waits for its end, and a moment more.
 */
import type { Client } from "../../client/client.ts";
import { type Clock, delay } from "../../lib/clock.ts";
import type { WorkloadKey } from "../../runtime/workloads.ts";
import { Pod } from "../kinds/pod.ts";

/** A kubelet's question waits no longer for it than for a slow server. */
const pauseMs = 100;

/** @returns lists a workload's Pods; rejects with ApiError */
export function createPodLooks(client: Pick<Client, "list">, clock: Clock): (key: WorkloadKey) => Promise<Pod[]> {
  const looks = new Map<string, { over: Promise<void>; next: Promise<Pod[]> | undefined }>();
  const list = async ({ namespace, name }: WorkloadKey) =>
    (await client.list(Pod, { namespace, labelSelector: `elafros.dev/revision=${name}` })).items;

  return (key) => {
    const id = `${key.namespace}/${key.name}`;
    const look = looks.get(id) ?? { over: Promise.resolve(), next: undefined };
    looks.set(id, look);
    look.next ??= look.over.then(() => {
      look.next = undefined;
      const found = list(key);
      const after = async () => {
        await found.catch(() => {});
        await delay(clock, pauseMs);
        if (look.next === undefined) looks.delete(id);
      };
      look.over = after();
      return found;
    });
    return look.next;
  };
}
