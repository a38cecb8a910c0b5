/**
 * Route: a network address, and how its requests are split over Revisions.
 *
 * Users write `spec`: up to 32 targets, each either a Revision (pinned) or a Configuration (its newest ready Revision is
 * followed), with percentages that total 100; and further hosts, with certificates of their own where they want. The Route controller writes `status`: the split that every gateway serves now,
 * in which no Configuration appears any more, and the conditions of `route.conditions.ts`.
 */
import type { Static } from "typebox";
import { ageColumn, readyColumn, reasonColumn } from "./columns.ts";
import { conditionsSchema } from "./meta/condition-schema.ts";
import { integer, list, object, optional, text, time, structural } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";
import { guardSchema, watchesSchema } from "./route-guard.ts";
import { affinitySchema, matchSchema } from "./route-match.ts";
import { validateRoute } from "./route.validation.ts";

const targetSchema = object("One share of the traffic. Exactly one of configurationName and revisionName.", {
  configurationName: optional(text("The Configuration whose newest ready Revision gets this share.", 63)),
  revisionName: optional(text("The Revision that gets this share.", 63)),
  name: optional(
    text("A DNS label: {name}.{route}.{namespace}.{domain} goes to this target alone, also at 0 percent.", 30),
  ),
  percent: integer("This share, in percent of the requests; all shares together are 100.", 0, 100),
  match: optional(matchSchema),
});
export type RouteTarget = Static<typeof targetSchema>;

const rolloutSchema = object("How traffic is split, and how fast the split changes.", {
  traffic: list("The shares; replaced whole by a patch.", 32, targetSchema, { minItems: 1 }),
  duration: optional(
    text(
      "How long a new Revision of a followed Configuration is shifted in, such as 90s or 1m30s; 0s is at once. Default: 0s.",
      32,
    ),
  ),
  affinity: optional(affinitySchema),
  guard: optional(guardSchema),
});

const tlsSchema = object("Hosts that are served over HTTPS with a certificate of one's own.", {
  secretName: text(
    "The Secret of type kubernetes.io/tls in the Route's namespace with the certificate and its key.",
    253,
  ),
  hosts: list("Which of the Route's hosts and domains it is for.", 64, text("A host.", 253), { minItems: 1 }),
});
export type RouteTls = Static<typeof tlsSchema>;

const specSchema = object("Where requests go.", {
  rollout: rolloutSchema,
  domains: optional(
    list(
      "Further hosts: www.example.com, or *.example.com for all that are one label below. The first Route to claim one has it.",
      32,
      text("A DNS name that isn't under the platform's own domain.", 253),
    ),
  ),
  tls: optional(list("Certificates of one's own; without one, the platform gets it.", 32, tlsSchema)),
});

const servedSchema = object("A share of the traffic, as the gateways serve it.", {
  revisionName: text("The Revision.", 63),
  name: optional(text("The share's name, with an address of its own.", 63)),
  percent: integer("The share in percent.", 0, 100),
});
export type ServedTarget = Static<typeof servedSchema>;

const statusSchema = object("What the gateways do now.", {
  domain: optional(text("The Route's host.", 253)),
  url: optional(text("What a client can call.", 512)),
  traffic: optional(list("The split that every gateway serves.", 64, servedSchema)),
  affinity: optional(
    list(
      "Which clients each Revision has, where the Route asks for affinity: a change of the split moves as few as it must.",
      64,
      object("The clients of one Revision.", {
        revisionName: text("The Revision.", 63),
        slots: text("Its hundredths of all keys, by number from 0 to 99, such as 0-89.", 400),
      }),
    ),
  ),
  domains: optional(list("The domains of the spec that the Route has.", 32, text("A domain.", 253))),
  guard: optional(watchesSchema),
  rollout: optional(
    object("The shift that is under way.", {
      from: text("The Revision that traffic leaves.", 63),
      to: text("The Revision that traffic goes to.", 63),
      startedAt: time("When it started."),
    }),
  ),
  conditions: optional(conditionsSchema),
  observedGeneration: optional(integer("The generation that this status is about.", 0, Number.MAX_SAFE_INTEGER)),
});
export type RouteStatus = Static<typeof statusSchema>;

const schema = object("A network address, and how its requests are split over Revisions.", {
  spec: specSchema,
  status: optional(statusSchema),
});
export type Route = KubeObject & Static<typeof schema>;

export const Route: Kind<Route> = {
  group: "elafros.dev",
  version: "v1alpha1",
  kind: "Route",
  listKind: "RouteList",
  plural: "routes",
  singular: "route",
  shortNames: ["rt"],
  categories: ["all", "elafros"],
  namespaced: true,
  schema: structural(schema),
  hasStatus: true,
  names: { form: "dns1035", max: 50 },
  columns: [
    {
      name: "URL",
      type: "string",
      description: "What a client can call.",
      priority: 0,
      jsonPath: ".status.url",
      value: (object) => object.status?.url,
    },
    readyColumn,
    reasonColumn,
    {
      name: "Traffic",
      type: "string",
      description: "The split that every gateway serves.",
      priority: 1,
      value: (object) =>
        object.status?.traffic
          ?.map((share) => `${share.name === undefined ? "" : `${share.name}=`}${share.revisionName}:${share.percent}%`)
          .join(","),
    },
    ageColumn,
  ],
  validate: guarded(structural(schema), validateRoute),
};
