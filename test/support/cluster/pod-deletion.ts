/** The end of a Pod: it is marked, and goes when its kubelet has stopped its containers, or at once where nothing is to be waited for. */
import { ApiError } from "../../../src/api/meta/errors.ts";
import type { ApiService, DeleteOptions, Deleted, RequestContext, Target } from "../../../src/api/meta/service.ts";
import { copyJson } from "../../../src/apiserver/json.ts";
import { keyOf, resourceOf } from "../../../src/apiserver/service-names.ts";
import { type Clock, rfc3339 } from "../../../src/lib/clock.ts";
import { RevisionMismatch, type Store } from "../../../src/store/store.ts";
import type { Pod } from "../../../src/kubernetes/kinds/pod.ts";

interface Parts {
  service: ApiService;
  store: Store;
  clock: Clock;
}

interface Deletion {
  context: RequestContext;
  target: Target;
  options: DeleteOptions;
}

type GracefulPod = Pod & { spec?: { terminationGracePeriodSeconds?: number } };

/** Marks a Pod, and takes it away where its grace is none; undefined where it isn't one, or isn't to be deleted. */
export async function deletePod(
  { service, store, clock }: Parts,
  { context, target, options }: Deletion,
): Promise<Deleted | undefined> {
  const { kind, namespace, name = "" } = target;
  if (kind.group !== "" || kind.kind !== "Pod" || name === "") return undefined;
  // Checks rights and preconditions.
  await service.delete(context, target, { ...options, dryRun: true });
  if (options.dryRun === true) return undefined;
  const collection = resourceOf(kind);
  const key = keyOf(kind, namespace, name);
  for (;;) {
    const entry = store.collection(collection).get(key);
    if (entry === undefined)
      throw new ApiError("NotFound", `pods "${name}" not found`, { details: { name, kind: "pods" } });
    const pod = entry.value as GracefulPod;
    const ended = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
    const waits = pod.spec?.nodeName !== undefined && !ended;
    const grace = waits ? (options.gracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30) : 0;
    const before = pod.metadata.deletionGracePeriodSeconds;
    if (grace > 0 && before !== undefined && before <= grace) return { object: copyJson(pod), gone: false };
    const marks = { deletionTimestamp: rfc3339(clock.now() + grace * 1000), deletionGracePeriodSeconds: grace };
    try {
      const written = await store.write({
        collection,
        key,
        action: "put",
        expect: entry.revision,
        value: (revision) => ({
          ...pod,
          metadata: { ...pod.metadata, ...marks, resourceVersion: String(revision) },
        }),
      });
      // The answer is the Pod as it was marked, also where it is gone.
      const deleted = { object: copyJson(written.value), gone: false };
      if (grace > 0) return deleted;
      const { resourceVersion: _, ...preconditions } = options.preconditions ?? {};
      await service.delete(context, target, { ...options, preconditions });
      return deleted;
    } catch (error) {
      if (!(error instanceof RevisionMismatch)) throw error;
    }
  }
}
