/** The builds port of a cluster as long as it builds nothing: each build fails at once, and says why and what to do. */
import type { Clock } from "../../lib/clock.ts";
import type { BuildKey, BuildsPort, BuildState } from "../../runtime/builds.ts";

const message =
  "Builds on a cluster are not supported yet: build on a machine with 'elafros up', push the image to a registry, and deploy it with --image";

export function refusedBuilds(clock: Clock): BuildsPort {
  const builds = new Map<string, BuildState>();
  const listeners = new Set<(key: BuildKey) => void>();
  const idOf = ({ namespace, name }: BuildKey) => `${namespace}/${name}`;
  const tell = (key: BuildKey) => {
    for (const listener of listeners) listener(key);
  };
  return {
    start(key, { uid, steps, labels }) {
      if (builds.get(idOf(key))?.uid === uid) return;
      const at = clock.now();
      builds.set(idOf(key), {
        key,
        uid,
        phase: "failed",
        createdAt: at,
        endedAt: at,
        steps: steps.map(({ name }) => ({ name, phase: "waiting" })),
        failure: { reason: "BuildStepFailed", message },
        labels,
      });
      tell(key);
    },
    // They have ended.
    cancel: () => {},
    remove(key) {
      if (builds.delete(idOf(key))) tell(key);
    },
    get: (key) => builds.get(idOf(key)),
    list: () => [...builds.values()],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    logs(key) {
      throw new Error(`Cannot read logs: build "${idOf(key)}" has none: ${message}`);
    },
  };
}
