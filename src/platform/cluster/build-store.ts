/** The installation's registry as the controllers use it: for what builds make, and for what users upload. */
import type { HttpClient } from "../../client/http.ts";
import { type BuildRegistry, createBuildRegistry } from "../../kubernetes/builds/registry.ts";
import { uploadNamespaces } from "../../kubernetes/manifests/names.ts";
import { createUploadNamespaces } from "../../kubernetes/sources/namespaces.ts";
import { createClusterSources } from "../../kubernetes/sources/port.ts";
import type { Clock } from "../../lib/clock.ts";
import { registryAuths } from "../../reconcilers/revision/pull-secrets.ts";
import type { SourcesPort } from "../../runtime/sources.ts";

export interface BuildStore {
  /** `HOST/PREFIX`. */
  place: string;
  registry: BuildRegistry;
  sources: SourcesPort;
}

export interface BuildStoreOptions {
  client: HttpClient;
  clock: Clock;
  /** Where the controllers run. */
  namespace: string;
  /** The registry, `HOST/PREFIX`. */
  place: string;
  /** The Secret with its credentials. */
  secret?: string | undefined;
}

export function createBuildStore({ client, clock, namespace, place, secret }: BuildStoreOptions): BuildStore {
  const registry = createBuildRegistry({
    client,
    place,
    ...(secret === undefined ? {} : { secret: { namespace, name: secret } }),
    authsOf: (one) => registryAuths([one]),
  });
  const namespaces = createUploadNamespaces(client, { namespace, name: uploadNamespaces });
  return { place, registry, sources: createClusterSources({ registry, namespaces, clock }) };
}
