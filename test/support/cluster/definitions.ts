/** Accepts CustomResourceDefinitions: their conditions, and the kinds that they bring. */
import type { Kind } from "../../../src/api/meta/kind.ts";
import type { ApiService } from "../../../src/api/meta/service.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";
import { followStore } from "../../../src/apiserver/housekeeping-follow.ts";
import { KeyQueue } from "../../../src/apiserver/housekeeping-queue.ts";
import { resourceOf } from "../../../src/apiserver/service-names.ts";
import { type Clock, rfc3339 } from "../../../src/lib/clock.ts";
import type { Log } from "../../../src/lib/log.ts";
import type { Store } from "../../../src/store/store.ts";
import { customKinds } from "./custom-kind.ts";
import { CustomResourceDefinition, type Definition } from "./definition-kind.ts";

export interface DefinitionOptions {
  store: Store;
  service: ApiService;
  clock: Clock;
  log: Log;
  /** Told of every kind there is now; resolves when they are served. */
  served: (kinds: Kind[]) => Promise<void>;
}

const context = () => ({
  user: { username: "system:kube-controller-manager", groups: ["system:masters"] },
  warnings: [],
});

/** Follows the definitions; the returned function ends it. */
export function followDefinitions({ store, service, clock, log, served }: DefinitionOptions): () => Promise<void> {
  const kinds = new Map<string, Kind[]>();
  const view = store.collection(resourceOf(CustomResourceDefinition));
  const look = async (name: string): Promise<void> => {
    const found = view.get(name)?.value as (Definition & { status?: { conditions?: { type: string }[] } }) | undefined;
    if (found === undefined) {
      for (const kind of kinds.get(name) ?? []) await empty(service, kind);
      kinds.delete(name);
      return served([...kinds.values()].flat());
    }
    const target = { kind: CustomResourceDefinition, name, subresource: "status" } as const;
    if (found.status?.conditions?.some(({ type }) => type === "Established") === true) {
      kinds.set(name, customKinds(found));
      return served([...kinds.values()].flat());
    }
    const now = rfc3339(clock.now());
    const { versions, names } = found.spec;
    const status = {
      conditions: [
        {
          type: "NamesAccepted",
          status: "True",
          lastTransitionTime: now,
          reason: "NoConflicts",
          message: "no conflicts found",
        },
        {
          type: "Established",
          status: "True",
          lastTransitionTime: now,
          reason: "InitialNamesAccepted",
          message: "the initial names have been accepted",
        },
      ],
      acceptedNames: names,
      storedVersions: versions.filter(({ storage }) => storage).map((version) => version.name),
    };
    await service.update(context(), target, { ...structuredClone(found), status });
    return undefined;
  };
  const queue = new KeyQueue({ name: "definitions", clock, log, work: look });
  const add = (_: Kind, { metadata }: KubeObject): void => queue.add(metadata.name);
  const end = followStore(store, [CustomResourceDefinition], { seen: add, gone: add });
  return async () => {
    end();
    await queue.stop();
  };
}

/** What was made by a definition goes with it. */
async function empty(service: ApiService, kind: Kind): Promise<void> {
  const { items } = await service.list(context(), { kind });
  for (const { metadata } of items) {
    const { name, namespace } = metadata;
    await service.delete(context(), namespace === undefined ? { kind, name } : { kind, name, namespace });
  }
}
