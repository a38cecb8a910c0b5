import { defaultCapabilities } from "../../lib/capabilities.ts";
import type { SecuritySpec } from "../workloads.ts";

/** What a spec may ask for besides: inside its own namespaces these give no power over the machine or over neighbours. */
const addable: ReadonlySet<string> = new Set([
  ...defaultCapabilities,
  "AUDIT_WRITE",
  "IPC_LOCK",
  "LEASE",
  "SYS_PTRACE",
]);

/**
 * The capabilities of an instance, with `CAP_`, sorted. Drops come first, as in Kubernetes: `drop: [ALL]` with `add: [CHOWN]` leaves CHOWN.
 * @throws TypeError where one is asked for that would reach beyond the instance
 */
export function capabilitiesOf(security: Pick<SecuritySpec, "addCapabilities" | "dropCapabilities">): string[] {
  const bare = (name: string) => name.toUpperCase().replace(/^CAP_/, "");
  const drops = new Set(security.dropCapabilities.map(bare));
  const kept = new Set<string>(drops.has("ALL") ? [] : defaultCapabilities.filter((name) => !drops.has(name)));
  for (const name of security.addCapabilities.map(bare)) {
    if (!addable.has(name)) {
      throw new TypeError(
        `Cannot add capability "${name}": it reaches beyond the instance; allowed are ${[...addable].sort().join(", ")}`,
      );
    }
    kept.add(name);
  }
  return [...kept].map((name) => `CAP_${name}`).sort();
}
