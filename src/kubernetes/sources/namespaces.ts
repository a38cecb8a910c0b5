/**
 * Which namespaces have uploads, in a ConfigMap where the controllers run: registries can't be asked that, and a namespace that is gone is in no other list. Its keys are the
 * namespaces.
 */
import { ConfigMap } from "../../api/config-map.ts";
import { isReason } from "../../api/meta/errors.ts";
import type { Client } from "../../client/client.ts";

export interface UploadNamespaces {
  /** Remembers one, before something is put there. */
  add(namespace: string): Promise<void>;
  list(): Promise<string[]>;
  /** Forgets one that has nothing any more. */
  remove(namespace: string): Promise<void>;
}

/** @param place of the ConfigMap. The functions reject with ApiError */
export function createUploadNamespaces(
  client: Pick<Client, "get" | "create" | "patch">,
  place: { namespace: string; name: string },
): UploadNamespaces {
  const patch = (namespace: string, value: string | null) =>
    client.patch(ConfigMap, place, { type: "merge", body: { data: { [namespace]: value } } });
  return {
    async add(namespace) {
      try {
        await patch(namespace, "");
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
        const made = { apiVersion: "v1", kind: "ConfigMap", metadata: place, data: { [namespace]: "" } };
        await client.create(ConfigMap, made).catch((failure: unknown) => {
          // Another controller has made it.
          if (!isReason(failure, "AlreadyExists")) throw failure;
          return patch(namespace, "");
        });
      }
    },
    async list() {
      try {
        return Object.keys((await client.get(ConfigMap, place)).data ?? {});
      } catch (error) {
        if (isReason(error, "NotFound")) return [];
        throw error;
      }
    },
    async remove(namespace) {
      await patch(namespace, null);
    },
  };
}
