/** The Pod of a gateway, which a simulated cluster only plays: a real gateway says hello from it. */
import { defaultInstall, nameOf, selectorOf } from "../../../src/kubernetes/manifests/names.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { systemContext } from "../cluster/controllers/tools.ts";
import type { DeploymentObject } from "../cluster/controllers/types.ts";
import { Deployment, Pod } from "../cluster/kinds/workloads.ts";

const { namespace } = defaultInstall;
const target = { kind: Deployment, namespace, name: nameOf("gateway") };
const labelSelector = Object.entries(selectorOf("gateway"))
  .map(([label, value]) => `${label}=${value}`)
  .join();
const lookAgainMs = 20;

/** Leaves the cluster one Pod of its gateways, and gives its name. */
export async function onePlayedGateway({ service }: Pick<Cluster, "service">): Promise<string> {
  const look = async (): Promise<{ ready: boolean; pods: string[] }> => {
    const { spec, status } = (await service.get(systemContext(), target)) as unknown as DeploymentObject;
    const { items } = await service.list(systemContext(), { kind: Pod, namespace }, { labelSelector });
    const pods = items.map(({ metadata }) => metadata.name);
    return { ready: status?.readyReplicas === spec.replicas && pods.length === spec.replicas, pods };
  };
  const settled = async (): Promise<string[]> => {
    for (;;) {
      const { ready, pods } = await look();
      if (ready) return pods;
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
    }
  };
  // Before, one that is still being made could be the one that stays.
  await settled();
  await service.patch(systemContext(), target, { type: "merge", body: { spec: { replicas: 1 } } });
  const [name = ""] = await settled();
  return name;
}
