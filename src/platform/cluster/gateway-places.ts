/** In which Pods a gateway may run, as the cluster says. */
import type { Client } from "../../client/client.ts";
import { Pod } from "../../kubernetes/kinds/pod.ts";
import { selectorOf } from "../../kubernetes/manifests/names.ts";

/**
 * Names of the gateways' Pods in which a process may run. One that is being deleted counts until it is gone, and one on a node that isn't heard as
 * long as the cluster keeps its object: it may well serve. A Pod that has ended, or whose process has (the kubelet says so only afterwards), doesn't.
 * Rejects with ApiError.
 */
export async function gatewayPlaces(client: Pick<Client, "list">, namespace: string): Promise<ReadonlySet<string>> {
  const labelSelector = Object.entries(selectorOf("gateway"))
    .map(([label, value]) => `${label}=${value}`)
    .join();
  const { items } = await client.list(Pod, { namespace, labelSelector });
  return new Set(items.filter(mayRun).map(({ metadata }) => metadata.name));
}

function mayRun({ status }: Pod): boolean {
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return false;
  const state = status?.containerStatuses?.find(({ name }) => name === "gateway")?.state;
  // It may have started since the kubelet last said so, and been given slots by a controller that led before.
  return state?.running !== undefined || state?.waiting?.reason === "ContainerCreating";
}
