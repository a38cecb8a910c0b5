/** What happens to a cluster in a soak: users change services, Pods are evicted, nodes drained, objects deleted by whoever. */
import { revisionLabel } from "../../../src/api/labels.ts";
import { isReason } from "../../../src/api/meta/errors.ts";
import type { Kind } from "../../../src/api/meta/kind.ts";
import type { DeleteOptions } from "../../../src/api/meta/service.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { systemContext } from "../cluster/controllers/tools.ts";
import type { PodObject } from "../cluster/controllers/types.ts";
import { Node } from "../cluster/kinds/kinds.ts";
import { Service } from "../cluster/kinds/services.ts";
import { Deployment, Pod } from "../cluster/kinds/workloads.ts";
import type { Random } from "./random.ts";
import { changeService, createService, deleteService, type SoakService } from "./services.ts";

export type ChangeName = "evict" | "revise" | "recreate" | "tamper" | "drain";

export interface Scene {
  cluster: Pick<Cluster, "service">;
  services: SoakService[];
  random: Random;
  nodes: number;
}

export const changes: Readonly<Record<ChangeName, (scene: Scene) => Promise<void>>> = {
  /** A Pod goes; one of ten without grace. */
  async evict({ cluster, services, random }) {
    const service = random.pick(services);
    const pods = service === undefined ? [] : await podsOf(cluster, service.namespace);
    const pod = random.pick(pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined));
    if (pod === undefined) return;
    await remove(cluster, Pod, pod, random.next() < 0.1 ? { gracePeriodSeconds: 0 } : {});
  },
  /** Another Revision, with as many instances or others. */
  async revise({ cluster, services, random }) {
    const service = random.pick(services);
    if (service === undefined) return;
    service.version += 1;
    service.instances = random.between(3, 7);
    await changeService(cluster.service, service);
  },
  /** Deleted, and made again under the same name: half the time at once, while the old one's objects are still there. */
  async recreate({ cluster, services, random }) {
    const service = random.pick(services);
    if (service === undefined) return;
    await deleteService(cluster.service, service);
    service.version += 1;
    if (random.next() < 0.5) await new Promise((resolve) => setTimeout(resolve, 200));
    await createService(cluster.service, service);
  },
  /** Somebody deletes what isn't theirs. */
  async tamper({ cluster, services, random }) {
    const service = random.pick(services);
    if (service === undefined) return;
    const kind = random.next() < 0.5 ? Deployment : Service;
    const { namespace } = service;
    const { items } = await cluster.service.list(
      systemContext(),
      { kind, namespace },
      { labelSelector: revisionLabel },
    );
    const object = random.pick(items);
    if (object !== undefined) await remove(cluster, kind, object, { propagationPolicy: "Background" });
  },
  /** All Pods of a node go, and none comes there until it is over. */
  async drain({ cluster, random, nodes }) {
    const name = `node-${random.between(1, nodes)}`;
    const cordon = (unschedulable: boolean) =>
      cluster.service.patch(
        systemContext(),
        { kind: Node, name },
        { type: "merge", body: { spec: { unschedulable } } },
      );
    await cordon(true);
    const pods = (await podsOf(cluster)).filter(({ spec }) => spec.nodeName === name);
    for (const pod of pods) await remove(cluster, Pod, pod, {});
    await cordon(false);
  },
};

async function podsOf(cluster: Scene["cluster"], namespace?: string): Promise<PodObject[]> {
  const target = namespace === undefined ? { kind: Pod } : { kind: Pod, namespace };
  const { items } = await cluster.service.list(systemContext(), target, { labelSelector: revisionLabel });
  return items as unknown as PodObject[];
}

async function remove(
  cluster: Scene["cluster"],
  kind: Kind,
  { metadata: { namespace = "", name } }: { metadata: { namespace?: string; name: string } },
  options: DeleteOptions,
): Promise<void> {
  try {
    await cluster.service.delete(systemContext(), { kind, namespace, name }, options);
  } catch (error) {
    // It went by itself.
    if (!isReason(error, "NotFound")) throw error;
  }
}
