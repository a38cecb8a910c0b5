import * as fc from "fast-check";
import { expect, it } from "vitest";
import { tableStep } from "../../test/support/table-steps.ts";
import { applyChanges, differences } from "./changes.ts";
import { compile, type RevisionInstances } from "./compile.ts";
import { Compiler } from "./compiler.ts";
import { emptyTable, mapsOf, tableOf } from "./table.ts";
import type { RevisionTraffic, RouteAssignment } from "./traffic.ts";

it("Compiler holds after any steps what compile() makes of everything, and says exactly what differs", () => {
  fc.assert(
    fc.property(fc.array(tableStep, { maxLength: 40 }), (steps) => {
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
