/** Event (core/v1): something that happened to an object and that a person would ask about. Controllers write them; they go after a while. */
import type { Static } from "typebox";
import { integer, object, optional, text, time, structural } from "./meta/fields.ts";
import type { Cause } from "./meta/errors.ts";
import { invalid } from "./meta/faults.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";

const reference = (description: string) =>
  object(description, {
    kind: optional(text("Its kind.", 63)),
    namespace: optional(text("Its namespace.", 63)),
    name: optional(text("Its name.", 253)),
    uid: optional(text("Its uid.", 128)),
    apiVersion: optional(text("Its group and version.", 316)),
    resourceVersion: optional(text("Its version when it happened.", 128)),
    fieldPath: optional(text("The part of it.", 1024)),
  });

const schema = object("Something that happened to an object.", {
  involvedObject: reference("The object that it happened to."),
  reason: optional(text("One word for what happened, for programs.", 128)),
  message: optional(text("What happened, for people.", 4096)),
  type: optional(text("Normal or Warning.", 32)),
  source: optional(
    object("Who says so.", {
      component: optional(text("The part of the platform.", 253)),
      host: optional(text("The machine.", 253)),
    }),
  ),
  count: optional(integer("How often it happened.", 0, 2 ** 31 - 1)),
  firstTimestamp: optional(time("When it happened first.")),
  lastTimestamp: optional(time("When it happened last.")),
  eventTime: optional(time("When it happened, with microseconds.")),
  action: optional(text("What was done.", 128)),
  related: optional(reference("Another object that had to do with it.")),
  reportingComponent: optional(text("The controller that says so.", 253)),
  reportingInstance: optional(text("Which one of them.", 253)),
  series: optional(
    object("Repetitions.", {
      count: optional(integer("How many.", 0, 2 ** 31 - 1)),
      lastObservedTime: optional(time("The last one.")),
    }),
  ),
});
export type Event = KubeObject & Static<typeof schema>;

/** An Event about an object of a namespace stands in that namespace, where those who may read the one find the other. */
function validate({ metadata, involvedObject }: Event): Cause[] {
  const { namespace = "" } = involvedObject;
  return namespace === "" || namespace === metadata.namespace
    ? []
    : [invalid("involvedObject.namespace", namespace, "does not match event.namespace")];
}

export const Event: Kind<Event> = {
  group: "",
  version: "v1",
  kind: "Event",
  listKind: "EventList",
  plural: "events",
  singular: "event",
  shortNames: ["ev"],
  categories: [],
  namespaced: true,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "dns1123subdomain", max: 253 },
  columns: [
    {
      name: "Last Seen",
      type: "date",
      description: "When it happened last.",
      priority: 0,
      jsonPath: ".lastTimestamp",
      value: (object) => object.lastTimestamp ?? object.eventTime ?? object.metadata.creationTimestamp,
    },
    {
      name: "Type",
      type: "string",
      description: "Normal or Warning.",
      priority: 0,
      jsonPath: ".type",
      value: (object) => object.type,
    },
    {
      name: "Reason",
      type: "string",
      description: "One word for what happened.",
      priority: 0,
      jsonPath: ".reason",
      value: (object) => object.reason,
    },
    {
      name: "Object",
      type: "string",
      description: "What it happened to.",
      priority: 0,
      value: (object) => `${(object.involvedObject.kind ?? "").toLowerCase()}/${object.involvedObject.name ?? ""}`,
    },
    {
      name: "Message",
      type: "string",
      description: "What happened.",
      priority: 0,
      jsonPath: ".message",
      value: (object) => object.message,
    },
    {
      name: "Count",
      type: "integer",
      description: "How often.",
      priority: 1,
      jsonPath: ".count",
      value: (object) => object.count ?? 1,
    },
  ],
  validate: guarded(structural(schema), validate),
};
