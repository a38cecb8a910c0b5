/** Parts of a Route about single requests: which go to a target whatever the percents, and which clients stay with one. */
import type { Static } from "typebox";
import { list, object, optional, text } from "./meta/fields.ts";

const cookieName = text("The cookie's name.", 128, { minLength: 1 });

const testSchema = object("A test of a request. Exactly one of header and cookie.", {
  header: optional(
    object("A header field. Exactly one of exact and prefix.", {
      name: text("The field's name; upper and lower case are the same.", 128, { minLength: 1 }),
      exact: optional(text("The field's whole value.", 1024, { minLength: 1 })),
      prefix: optional(text("How the field's value begins.", 1024, { minLength: 1 })),
    }),
  ),
  cookie: optional(
    object("A cookie.", { name: cookieName, exact: text("The cookie's whole value.", 1024, { minLength: 1 }) }),
  ),
});

export type MatchTest = Static<typeof testSchema>;

/** `match` of a target. */
export const matchSchema = list(
  "Requests of which any of these holds go to this target, whatever the percents, and aren't counted in the split. Targets are asked in their order.",
  16,
  testSchema,
  { minItems: 1 },
);

/** `affinity` of a rollout. */
export const affinitySchema = object(
  "The same client stays with its Revision, by a hash within the split. Exactly one of cookie and header.",
  {
    cookie: optional(
      object("Clients are told apart by a cookie, which the gateway sets for a client that has none.", {
        name: cookieName,
        ttl: optional(
          text("For how long the client keeps it, such as 24h; 0s is until its session ends. Default: 0s.", 32),
        ),
      }),
    ),
    header: optional(
      object("Clients are told apart by a header field. Requests without it are split by the percents.", {
        name: text("The field's name; upper and lower case are the same.", 128, { minLength: 1 }),
      }),
    ),
  },
);

export type AffinityRule = Static<typeof affinitySchema>;
