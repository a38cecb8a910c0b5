/** The API's operations as Kubernetes has them beyond what all kinds share: owners of fields, Pods that end gracefully. */
import { apiVersionOf } from "../../../src/api/meta/kind.ts";
import type { ApiService, RequestContext, Target, WriteOptions } from "../../../src/api/meta/service.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";
import { resourceOf } from "../../../src/apiserver/service-names.ts";
import type { Clock } from "../../../src/lib/clock.ts";
import type { Store } from "../../../src/store/store.ts";
import type { FieldOwners, Manager } from "./owners.ts";
import { deletePod } from "./pod-deletion.ts";

interface Parts {
  service: ApiService;
  store: Store;
  clock: Clock;
  owners: FieldOwners;
}

/** Wraps the service of the API machinery. */
export function clusterService(parts: Parts): ApiService {
  const { service, owners, store } = parts;
  const managerOf = ({ kind, subresource }: Target, { fieldManager = "unknown" }: WriteOptions): Manager => ({
    name: fieldManager,
    operation: "Update",
    apiVersion: apiVersionOf(kind),
    ...(subresource === undefined ? {} : { subresource }),
  });
  const track = async (
    { context, target, options }: { context: RequestContext; target: Target; options: WriteOptions },
    write: () => Promise<KubeObject>,
  ): Promise<KubeObject> => {
    const { subresource: _, ...whole } = target;
    const old = await service.get(context, whole).catch(() => undefined);
    const object = await write();
    const { resourceVersion } = object.metadata;
    if (options.dryRun === true || old === undefined || old.metadata.resourceVersion === resourceVersion) return object;
    // Another may have written since it was read.
    const [change] = store.collection(resourceOf(target.kind)).changesAfter(Number(resourceVersion) - 1, 1) ?? [];
    owners.update(target.kind, managerOf(target, options), { object, old: change?.previous ?? old });
    return object;
  };
  return {
    ...service,
    create: async (context, target, body, options = {}) => {
      const object = await service.create(context, target, body, options);
      if (options.dryRun !== true) owners.update(target.kind, managerOf(target, options), { object });
      return object;
    },
    update: (context, target, body, options = {}) =>
      track({ context, target, options }, () => service.update(context, target, body, options)),
    patch: (context, target, patch, options = {}) =>
      track({ context, target, options }, () => service.patch(context, target, patch, options)),
    delete: async (context, target, options = {}) => {
      const pod = await deletePod(parts, { context, target, options });
      return pod ?? service.delete(context, target, options);
    },
    deleteCollection: async (context, target, options = {}) => {
      if (target.kind.kind !== "Pod") return service.deleteCollection(context, target, options);
      const list = await service.list(context, target, options);
      for (const { metadata } of list.items) {
        const { namespace = "", name } = metadata;
        const one: Target = { kind: target.kind, namespace, name };
        const pod = await deletePod(parts, { context, target: one, options });
        if (pod === undefined) await service.delete(context, one, options);
      }
      return list;
    },
  };
}
