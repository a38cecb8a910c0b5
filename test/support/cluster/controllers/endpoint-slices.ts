/** Stand-in for the EndpointSlice controller: one slice for each Service that selects Pods. */
import { copyJson, equalJson } from "../../../../src/apiserver/json.ts";
import type { KubeObject } from "../../../../src/api/meta/types.ts";
import { EndpointSlice, Service } from "../kinds/services.ts";
import { Pod } from "../kinds/workloads.ts";
import { selects } from "./select.ts";
import { all, type Controller, type ControllerParts, isOwnedBy, keyOfObject, ownerKeys } from "./tools.ts";
import { ownerReference, read, runController, systemContext } from "./tools.ts";
import { isReady, type PodObject } from "./types.ts";

interface ServiceObject extends KubeObject {
  spec: {
    clusterIP?: string;
    selector?: Record<string, string>;
    ports?: { name?: string; port: number; targetPort: number | string; protocol: string }[];
  };
}

interface SliceObject extends KubeObject {
  endpoints?: { targetRef: { uid: string } }[];
  ports?: object[];
}

const nameLabel = "kubernetes.io/service-name";

export function runEndpointSlices(parts: ControllerParts): Controller {
  return runController(parts, {
    name: "endpointslices",
    follows: [Service, Pod, EndpointSlice],
    keys: (kind, object) => {
      if (kind === Service) return [keyOfObject(Service, object)];
      if (kind === EndpointSlice) return ownerKeys(Service, object);
      const { namespace = "" } = object.metadata;
      return all<ServiceObject>(parts, Service, namespace)
        .filter(({ spec }) => selects({ matchLabels: spec.selector ?? {} }, object))
        .map((service) => keyOfObject(Service, service));
    },
    work: (key) => reconcile(parts, key),
  });
}

async function reconcile(parts: ControllerParts, key: string): Promise<void> {
  const service = read(parts, Service, key) as ServiceObject | undefined;
  if (service?.spec.selector === undefined || service.metadata.deletionTimestamp !== undefined) return;
  const { namespace = "", name } = service.metadata;
  const slice = all<SliceObject>(parts, EndpointSlice, namespace).find((one) => isOwnedBy(one, service));
  const selected = all<PodObject>(parts, Pod, namespace).filter(
    (pod) => pod.status?.podIP !== undefined && selects({ matchLabels: service.spec.selector ?? {} }, pod),
  );
  // Who is there keeps its place, and who comes stands behind.
  const places = new Map((slice?.endpoints ?? []).map(({ targetRef }, place) => [targetRef.uid, place]));
  const placeOf = ({ metadata }: PodObject): number => places.get(metadata.uid ?? "") ?? places.size;
  const endpoints = selected.toSorted((a, b) => placeOf(a) - placeOf(b)).map(endpointOf);
  const ports = portsOf(service, selected[0]);
  if (slice === undefined) {
    await parts.service.create(
      systemContext(),
      { kind: EndpointSlice, namespace },
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          generateName: `${name}-`,
          labels: {
            ...service.metadata.labels,
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            [nameLabel]: name,
            ...(service.spec.clusterIP === "None" ? { "service.kubernetes.io/headless": "" } : {}),
          },
          ownerReferences: [ownerReference(Service, service)],
        },
        addressType: "IPv4",
        endpoints,
        ports,
      },
    );
  } else if (!equalJson(slice.endpoints ?? [], endpoints) || !equalJson(slice.ports ?? [], ports)) {
    const target = { kind: EndpointSlice, namespace, name: slice.metadata.name };
    await parts.service.update(systemContext(), target, { ...copyJson(slice), endpoints, ports });
  }
}

function endpointOf(pod: PodObject): object {
  const { namespace = "", name, uid = "", deletionTimestamp } = pod.metadata;
  const serving = isReady(pod);
  const terminating = deletionTimestamp !== undefined;
  return {
    addresses: [pod.status?.podIP ?? ""],
    conditions: { ready: serving && !terminating, serving, terminating },
    targetRef: { kind: "Pod", namespace, name, uid },
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
  };
}

/** Ports as the Pods have them. Without a Pod nobody knows what a name stands for. */
function portsOf({ spec }: ServiceObject, pod: PodObject | undefined): object[] {
  if (pod === undefined) return [];
  const known = pod.spec.containers.flatMap(({ ports = [] }) => ports);
  return (spec.ports ?? []).map(({ name = "", targetPort, protocol }) => ({
    name,
    port: typeof targetPort === "number" ? targetPort : known.find((one) => one.name === targetPort)?.containerPort,
    protocol,
  }));
}
