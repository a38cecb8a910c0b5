/** core/v1 Service and discovery.k8s.io/v1 EndpointSlice: what cluster mode reads and writes of them. */
import { foreignKind } from "../../api/meta/foreign-kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";

export interface Service extends KubeObject {
  spec: {
    clusterIP?: string;
    selector?: Record<string, string>;
    ports: { name: string; port: number; targetPort: number | string; protocol: "TCP"; appProtocol?: string }[];
  };
}

export const Service = foreignKind<Service>({ group: "", version: "v1", kind: "Service", plural: "services" });

export interface EndpointSlice extends KubeObject {
  endpoints?:
    | {
        addresses: string[];
        conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean };
        targetRef?: { kind?: string; name?: string; uid?: string };
      }[]
    | null;
}

export const EndpointSlice = foreignKind<EndpointSlice>({
  group: "discovery.k8s.io",
  version: "v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
});
