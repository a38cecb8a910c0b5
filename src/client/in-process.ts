import type { Kind } from "../api/meta/kind.ts";
import type { ApiService, RequestContext, Target } from "../api/meta/service.ts";
import type { KubeList, KubeObject, UserInfo, WatchEvent } from "../api/meta/types.ts";
import type { Client, ObjectKey } from "./client.ts";

/**
 * The client port over an API service in this process, as `user`: the same authorization, admission and errors as over HTTPS.
 * Items of lists and objects of watch events are frozen; single objects are the caller's own.
 */
export function inProcessClient(service: ApiService, user: UserInfo): Client {
  const context = (signal?: AbortSignal): RequestContext =>
    signal === undefined ? { user, warnings: [] } : { user, warnings: [], signal };
  const target = <T extends KubeObject>(kind: Kind<T>, place: { namespace?: string; name?: string }): Target => ({
    kind,
    ...(place.namespace === undefined ? {} : { namespace: place.namespace }),
    ...(place.name === undefined ? {} : { name: place.name }),
  });
  const of = <T extends KubeObject>(kind: Kind<T>, { metadata }: T): Target => target(kind, metadata);
  return {
    get: async <T extends KubeObject>(kind: Kind<T>, key: ObjectKey) =>
      (await service.get(context(), target(kind, key))) as T,
    list: async <T extends KubeObject>(kind: Kind<T>, { namespace, ...options } = {} as { namespace?: string }) =>
      (await service.list(
        context(),
        target(kind, namespace === undefined ? {} : { namespace }),
        options,
      )) as KubeList<T>,
    watch: <T extends KubeObject>(
      kind: Kind<T>,
      { namespace, signal, ...options }: { namespace?: string; signal: AbortSignal },
    ) => {
      const place = target(kind, namespace === undefined ? {} : { namespace });
      return service.watch(context(signal), place, options) as AsyncIterable<WatchEvent<T>>;
    },
    create: async (kind, object, options) => {
      const { name: _, ...place } = of(kind, object);
      return (await service.create(context(), place, object, options)) as typeof object;
    },
    update: async (kind, object, options) =>
      (await service.update(context(), of(kind, object), object, options)) as typeof object,
    updateStatus: async (kind, object, options) =>
      (await service.update(
        context(),
        { ...of(kind, object), subresource: "status" },
        object,
        options,
      )) as typeof object,
    patch: async <T extends KubeObject>(
      kind: Kind<T>,
      key: ObjectKey,
      { subresource, ...patch }: Parameters<Client["patch"]>[2],
      options?: Parameters<Client["patch"]>[3],
    ) => {
      const place = target(kind, key);
      const whole = subresource === undefined ? place : { ...place, subresource };
      return (await service.patch(context(), whole, patch, options)) as T;
    },
    delete: (kind, key, options) => service.delete(context(), target(kind, key), options),
  };
}
