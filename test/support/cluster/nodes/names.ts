/** What stands for the cluster's DNS and for kube-proxy: the names of headless Services in a hosts file, and where the address of another one leads. */
import { writeFile } from "node:fs/promises";
import type { KubeObject } from "../../../../src/api/meta/types.ts";
import { all, type Controller, type ControllerParts, runController } from "../controllers/tools.ts";
import { EndpointSlice, Service } from "../kinds/services.ts";

interface ServiceObject extends KubeObject {
  spec: { clusterIP?: string; ports?: { name?: string; port: number }[] };
}

interface SliceObject extends KubeObject {
  endpoints?: { addresses: string[]; conditions: { ready: boolean } }[];
  ports?: { name?: string; port?: number }[];
}

/** Keeps the hosts file: it is written in its place, where the Pods have it mounted. */
export function runNames(parts: ControllerParts, hosts: string): Controller {
  return runController(parts, {
    name: "names",
    follows: [Service, EndpointSlice],
    keys: () => ["hosts"],
    work: () => writeFile(hosts, `127.0.0.1\tlocalhost\n${serviceHosts(parts)}`),
  });
}

/** Lines of a hosts file for the headless Services of now. */
export function serviceHosts(parts: ControllerParts): string {
  return all<ServiceObject>(parts, Service)
    .filter(({ spec }) => spec.clusterIP === "None")
    .flatMap((service) => {
      const { name, namespace = "" } = service.metadata;
      return endpointsOf(parts, service).map(({ address }) => `${address}\t${name}.${namespace}.svc\n`);
    })
    .join("");
}

/** One of the ready Pods behind a Service, by the Service's address or its name, and the port there of one of the Service's by number or name; undefined where there is none. */
export function behind(
  parts: ControllerParts,
  service: string,
  port: number | string,
): { address: string; port: number } | undefined {
  const found = all<ServiceObject>(parts, Service).find(
    ({ spec, metadata }) => spec.clusterIP === service || `${metadata.namespace ?? ""}/${metadata.name}` === service,
  );
  const named = found?.spec.ports?.find((one) => one.port === port || one.name === port)?.name ?? "";
  const ready = found === undefined ? [] : endpointsOf(parts, found);
  const chosen = ready[Math.floor(Math.random() * ready.length)];
  const target = chosen?.ports.find(({ name = "" }) => name === named)?.port;
  return chosen === undefined || target === undefined ? undefined : { address: chosen.address, port: target };
}

function endpointsOf(parts: ControllerParts, { metadata }: ServiceObject) {
  return all<SliceObject>(parts, EndpointSlice, metadata.namespace)
    .filter((slice) => slice.metadata.labels?.["kubernetes.io/service-name"] === metadata.name)
    .flatMap(({ endpoints = [], ports = [] }) =>
      endpoints.flatMap(({ addresses, conditions }) =>
        conditions.ready ? addresses.map((address) => ({ address, ports })) : [],
      ),
    );
}
