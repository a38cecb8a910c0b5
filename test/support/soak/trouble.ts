/** Faults of the API server in a soak. */
import type { ApiFaults } from "../cluster/faults.ts";
import type { Random } from "./random.ts";

/** Everything but leases: who leads changes where a soak says so. */
const path = /^(?!.*\/leases)/u;
const watches = /^(?!.*\/leases).*[?&]watch=true/u;

export type Trouble = (faults: ApiFaults, random: Random) => void;

/** Each of them now and then. */
export const troubles: readonly Trouble[] = [
  (faults, random) => faults.conflict({ method: random.pick(["PUT", "PATCH"]) ?? "PUT", path, times: 5 }),
  (faults) => faults.tooMany(1, { path, times: 5 }),
  (faults) => faults.broken({ path, times: 5 }),
  (faults, random) => faults.slow(random.between(500, 5_000), { path, times: 5 }),
  (faults) => faults.loseAnswer({ method: "PATCH", path, times: 3 }),
  (faults) => faults.loseAnswer({ method: "POST", path, times: 3 }),
  (faults) => {
    faults.expired({ path: watches, times: 2 });
    faults.dropWatches();
  },
  (faults) => void faults.dropWatches(),
];
