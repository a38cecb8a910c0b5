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

interface Stored extends Definition {
  status?: { conditions?: { type: string; status: string }[] | null };
}

/** First the names are accepted, then the kinds are served. */
function conditionsOf(established: boolean, lastTransitionTime: string): object[] {
  const names = { type: "NamesAccepted", status: "True", reason: "NoConflicts", message: "no conflicts found" };
  const kinds = {
    type: "Established",
    status: established ? "True" : "False",
    reason: established ? "InitialNamesAccepted" : "Installing",
    message: "the initial names have been accepted",
  };
  return [names, kinds].map((condition) => ({ ...condition, lastTransitionTime }));
}

/** Follows the definitions; the returned function ends it. */
export function followDefinitions({ store, service, clock, log, served }: DefinitionOptions): () => Promise<void> {
  const kinds = new Map<string, Kind[]>();
  const view = store.collection(resourceOf(CustomResourceDefinition));
  const look = async (name: string): Promise<void> => {
    const found = view.get(name)?.value as Stored | undefined;
    if (found === undefined) {
      for (const kind of kinds.get(name) ?? []) await empty(service, kind);
      kinds.delete(name);
      return served([...kinds.values()].flat());
    }
    const target = { kind: CustomResourceDefinition, name, subresource: "status" } as const;
    if (found.status?.conditions?.some(({ type, status }) => type === "Established" && status === "True") === true) {
      kinds.set(name, customKinds(found));
      return served([...kinds.values()].flat());
    }
    const { versions, names } = found.spec;
    const accepted = found.status?.conditions?.some(({ type }) => type === "NamesAccepted") === true;
    const status = {
      conditions: conditionsOf(accepted, rfc3339(clock.now())),
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
