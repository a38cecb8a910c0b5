/** What standing by may cost: how many are prepared, and how much memory is frozen. */
import { groupMemory } from "./cgroup.ts";
import { containerGroup } from "./container.ts";
import type { DriverContext } from "./context.ts";
import type { InstancePhase } from "../workloads.ts";

/** Names with a permit: at most so many, those that got it last. */
export function createPermits(most: number) {
  const names = new Set<string>();
  return {
    has: (name: string): boolean => names.has(name),
    /** Gives a permit, again where there is one; returns whom it was taken from. */
    give(name: string): string | undefined {
      names.delete(name);
      names.add(name);
      if (names.size <= most) return undefined;
      const [oldest = ""] = names;
      names.delete(oldest);
      return oldest;
    },
    take(name: string): void {
      names.delete(name);
    },
  };
}

interface Frozen {
  readonly id: string;
  readonly phase: InstancePhase;
  readonly record: { readonly frozenAt?: number };
  stop(): unknown;
}

/** Stops frozen instances, those first that are so for the longest, until the rest keeps no more memory than it may. */
export async function stopOverBudget(
  ctx: Pick<DriverContext, "cgroups" | "limits" | "log" | "parentGroup">,
  instances: readonly Frozen[],
): Promise<void> {
  const frozen = instances
    .filter(({ phase }) => phase === "frozen")
    .toSorted((a, b) => (b.record.frozenAt ?? 0) - (a.record.frozenAt ?? 0));
  let bytes = 0;
  for (const one of frozen) {
    bytes += await groupMemory(ctx.cgroups, containerGroup(ctx, one.id));
    if (bytes <= ctx.limits.frozenBytes || one.phase !== "frozen") continue;
    ctx.log.info({ instance: one.id }, "Stopping a frozen instance: too much memory is frozen");
    one.stop();
  }
}
