/** `guard` of a Route: when a new Revision is taken back by itself, and what the controller has done about it. */
import type { Static } from "typebox";
import { integer, list, object, optional, text, time } from "./meta/fields.ts";

/** Until a guard judges, so many requests must have ended: fewer say too little. */
export const guardMinRequests = 20;
/** How long a guard looks back, and how long it watches a Revision that has got all its traffic, where the Route doesn't say. */
export const defaultGuardWindow = "1m";

/** `guard` of a rollout. */
export const guardSchema = object(
  "Takes traffic back from a new Revision that does badly, and says why in RolloutComplete. At least one of errorPercent and p95Milliseconds.",
  {
    errorPercent: optional(
      integer("Most of its requests, in percent, that may end with a status of 500 or more.", 0, 99),
    ),
    p95Milliseconds: optional(
      integer("Until its answer begins, 95 of 100 of its requests may take so long, in milliseconds.", 1, 3_600_000),
    ),
    window: optional(
      text(
        "How far back is looked, and for how long on when the new Revision has all its traffic, such as 30s or 5m. Default: 1m.",
        32,
      ),
    ),
  },
);

export type GuardRule = Static<typeof guardSchema>;

/** `guard` of the status. */
export const watchesSchema = list(
  "New Revisions that the guard watches, or has taken traffic back from.",
  64,
  object("A Revision under guard.", {
    to: text("The new Revision.", 63),
    from: text("The Revision that its traffic goes back to.", 63),
    startedAt: time("Since when it is watched."),
    settledAt: optional(time("When the other's traffic had all moved; one window later it is watched no more.")),
    trippedAt: optional(time("When its traffic was taken back.")),
    message: optional(text("Why its traffic was taken back.", 1024)),
    generation: integer("The Route's generation for which this holds.", 0, Number.MAX_SAFE_INTEGER),
  }),
);

export type Watch = Static<typeof watchesSchema>[number];
