import fc from "fast-check";
import { expect, it } from "vitest";
import { applyChanges, differences } from "./changes.ts";
import { compile, type RevisionInstances } from "./compile.ts";
import { Compiler } from "./compiler.ts";
import { emptyTable, mapsOf, tableOf } from "./table.ts";
import type { RevisionTraffic, RouteAssignment } from "./traffic.ts";

// Few names, so that Routes claim each other's hosts and lead to the same Revisions.
const name = fc.constantFrom("a", "b", "c");
const host = fc.constantFrom("one", "TWO", "two", "*.three", "four", "__proto__");
const hosts = fc.array(host, { maxLength: 3 });
const targets = fc
  .uniqueArray(name, { maxLength: 2 })
  .map((names) => names.map((revision) => ({ revision, percent: 100 / names.length })));
const assignment: fc.Arbitrary<RouteAssignment> = fc.record(
  {
    route: fc.tuple(fc.constantFrom("x", "y"), name).map((parts) => parts.join("/")),
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
const revision = fc.tuple(fc.constantFrom("x", "y"), name).map((parts) => parts.join("/"));
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
type Step =
  | { do: "assign"; assignment: RouteAssignment }
  | { do: "unassign"; route: string }
  | { do: "limit"; revision: string; limits: Omit<RevisionTraffic, "revision"> | undefined }
  | { do: "place"; revision: string; instances: RevisionInstances | undefined }
  | { do: "take" };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("assign" as const), assignment }),
  fc.record({ do: fc.constant("unassign" as const), route: revision }),
  fc.record({ do: fc.constant("limit" as const), revision, limits: fc.option(limits, { nil: undefined }) }),
  fc.record({ do: fc.constant("place" as const), revision, instances: fc.option(instances, { nil: undefined }) }),
  fc.record({ do: fc.constant("take" as const) }),
);

it("Compiler holds after any steps what compile() makes of everything, and says exactly what differs", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const compiler = new Compiler();
      const input = {
        version: 0,
        assignments: new Map<string, RouteAssignment>(),
        revisions: new Map<string, RevisionTraffic>(),
        instances: new Map<string, RevisionInstances>(),
      };
      const told = mapsOf(emptyTable);
      const follower = { version: 0, hosts: new Map(told.hosts), revisions: new Map(told.revisions) };
      for (const one of [...steps, { do: "take" as const }]) {
        if (one.do === "assign") {
          input.assignments.set(one.assignment.route, one.assignment);
          compiler.setAssignment(one.assignment.route, one.assignment);
        } else if (one.do === "unassign") {
          input.assignments.delete(one.route);
          compiler.setAssignment(one.route, undefined);
        } else if (one.do === "limit") {
          const whole = one.limits && { revision: one.revision, ...one.limits };
          if (whole === undefined) input.revisions.delete(one.revision);
          else input.revisions.set(one.revision, whole);
          compiler.setLimits(one.revision, whole);
        } else if (one.do === "place") {
          if (one.instances === undefined) input.instances.delete(one.revision);
          else input.instances.set(one.revision, one.instances);
          compiler.setInstances(one.revision, one.instances);
        } else {
          const whole = compile(input);
          const changes = compiler.take();
          const expected = differences(follower, mapsOf(whole));
          expect(new Set(changes.hosts.keys())).toEqual(new Set(expected.hosts.keys()));
          expect(new Set(changes.revisions.keys())).toEqual(new Set(expected.revisions.keys()));
          applyChanges(follower, changes);
          expect(tableOf(follower)).toEqual(whole);
          expect(tableOf({ version: 0, ...maps(compiler) })).toEqual(whole);
          const ids = Object.values(whole.revisions).flatMap((entry) => entry.instances.map(({ id }) => id));
          for (const id of ["i", "j", "k"]) expect(compiler.has(id)).toBe(ids.includes(id));
        }
      }
    }),
    { numRuns: 500 },
  );
});

const maps = ({ hosts, revisions }: Compiler) => ({ hosts, revisions });
