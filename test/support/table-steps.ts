/** Steps that change what Routes, Revisions and instances say, for properties of what becomes of them. */
import * as fc from "fast-check";
import type { RevisionInstances } from "../../src/routing/compile.ts";
import type { RevisionTraffic, RouteAssignment } from "../../src/routing/traffic.ts";

// Few names, so that Routes claim each other's hosts and lead to the same Revisions.
const name = fc.constantFrom("a", "b", "c");
const host = fc.constantFrom("one", "TWO", "two", "*.three", "four", "__proto__");
/** All hosts, as tables write them, and all Routes and Revisions. */
export const hostNames = ["one", "two", "*.three", "four", "__proto__"];
export const ownedNames = ["x/a", "x/b", "x/c", "y/a", "y/b", "y/c"];
const hosts = fc.array(host, { maxLength: 3 });
const targets = fc
  .uniqueArray(name, { maxLength: 2 })
  .map((names) => names.map((revision) => ({ revision, percent: 100 / names.length })));
const owned = fc.tuple(fc.constantFrom("x", "y"), name).map((parts) => parts.join("/"));
const assignment: fc.Arbitrary<RouteAssignment> = fc.record(
  {
    route: owned,
    hosts,
    domains: hosts,
    targets,
    named: fc.array(fc.record({ host, revision: name }), { maxLength: 2 }),
    match: fc.array(
      name.map((revision) => ({ revision, tests: [{ cookie: "c", exact: "1" }] })),
      { maxLength: 1 },
    ),
    guard: fc.constant({ slowMs: 0 }),
  },
  { requiredKeys: ["route", "hosts", "targets", "named"] },
);
const problem = fc.record({ reason: fc.constantFrom("R", "S"), message: fc.constant("m") });
const limits = fc.record(
  {
    configuration: fc.constant("x/c"),
    protocol: fc.constantFrom("http1" as const, "h2c" as const),
    concurrency: fc.constantFrom(0, 1),
    timeoutMs: fc.constant(1),
    problem,
  },
  { requiredKeys: ["configuration", "protocol", "concurrency", "timeoutMs"] },
);
const instances = fc.record(
  {
    instances: fc
      .uniqueArray(fc.constantFrom("i", "j", "k"), { maxLength: 2 })
      .map((ids) => ids.map((id) => ({ id, host: "h", port: 1 }))),
    problem,
  },
  { requiredKeys: ["instances"] },
);
export type TableStep =
  | { do: "assign"; assignment: RouteAssignment }
  | { do: "unassign"; route: string }
  | { do: "limit"; revision: string; limits: Omit<RevisionTraffic, "revision"> | undefined }
  | { do: "place"; revision: string; instances: RevisionInstances | undefined }
  | { do: "take" };
export const tableStep: fc.Arbitrary<TableStep> = fc.oneof(
  fc.record({ do: fc.constant("assign" as const), assignment }),
  fc.record({ do: fc.constant("unassign" as const), route: owned }),
  fc.record({ do: fc.constant("limit" as const), revision: owned, limits: fc.option(limits, { nil: undefined }) }),
  fc.record({
    do: fc.constant("place" as const),
    revision: owned,
    instances: fc.option(instances, { nil: undefined }),
  }),
  fc.record({ do: fc.constant("take" as const) }),
);
