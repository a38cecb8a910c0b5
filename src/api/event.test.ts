import { expect, test } from "vitest";
import { Event } from "./event.ts";

const about = (namespace: string): Event => ({
  apiVersion: "v1",
  kind: "Event",
  metadata: { name: "e", namespace: "default" },
  involvedObject: { kind: "Route", name: "a", namespace },
});

test.for([
  ["default", []],
  ["", []],
  ["other", ["involvedObject.namespace"]],
] as const)("validate() of an Event in default about an object in %j finds %j", ([namespace, fields]) => {
  const faults =
    Event.validate?.(about(namespace), { user: { username: "ann", groups: [] }, operation: "create" }) ?? [];
  expect(faults.map(({ field }) => field)).toEqual(fields);
});
