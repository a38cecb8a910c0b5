/** The services of a soak: what is wanted of each, and the writes that say so. */
import { Configuration } from "../../../src/api/configuration.ts";
import type { Kind } from "../../../src/api/meta/kind.ts";
import type { ApiService } from "../../../src/api/meta/service.ts";
import { Route } from "../../../src/api/route.ts";
import { systemContext } from "../cluster/controllers/tools.ts";

export interface SoakService {
  namespace: string;
  name: string;
  /** What its instances are to see. */
  version: number;
  instances: number;
  /** Whether its image is pulled with credentials. */
  private: boolean;
}

/** The Secret with a registry's credentials in each namespace. */
export const registrySecret = "registry";
const image = `registry.example/app@sha256:${"0".repeat(64)}`;
const apiVersion = "elafros.dev/v1alpha1";

function specOf(service: SoakService): object {
  const { version, instances } = service;
  const scale = String(instances);
  const annotations = { "autoscaling.elafros.dev/min-scale": scale, "autoscaling.elafros.dev/max-scale": scale };
  const container = { image, env: [{ name: "VERSION", value: String(version) }] };
  const pull = service.private ? { imagePullSecrets: [{ name: registrySecret }] } : {};
  return { revisionTemplate: { metadata: { annotations }, spec: { container, ...pull } } };
}

export async function createService(api: ApiService, service: SoakService): Promise<void> {
  const { namespace, name } = service;
  const metadata = { name, namespace };
  const traffic = [{ configurationName: name, percent: 100 }];
  await create(api, Configuration, { kind: "Configuration", metadata, spec: specOf(service) });
  await create(api, Route, { kind: "Route", metadata, spec: { rollout: { traffic } } });
}

function create(api: ApiService, kind: Kind, object: { kind: string; metadata: { namespace: string }; spec: object }) {
  const { namespace } = object.metadata;
  return api.create(systemContext(), { kind, namespace }, { apiVersion, ...object });
}

/** Makes another Revision of it. */
export async function changeService(api: ApiService, service: SoakService): Promise<void> {
  const { namespace, name } = service;
  const patch = { type: "merge", body: { spec: specOf(service) } } as const;
  await api.patch(systemContext(), { kind: Configuration, namespace, name }, patch);
}

export async function deleteService(api: ApiService, { namespace, name }: SoakService): Promise<void> {
  for (const kind of [Route, Configuration]) await api.delete(systemContext(), { kind, namespace, name });
}
