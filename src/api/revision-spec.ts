/** What Configuration.spec.revisionTemplate.spec and Revision.spec have in common: all of it. */
import type { Static } from "typebox";
import { containerSchema } from "./container.ts";
import { choice, integer, keyed, object, optional, text } from "./meta/fields.ts";
import { volumesSchema } from "./volume.ts";

/** The ServiceAccount that every namespace has. */
export const defaultServiceAccount = "default";

/** Seconds until a response must begin, where the spec doesn't say. */
export const defaultTimeoutSeconds = 300;

export const revisionSpecSchema = object("What an instance runs, and how requests are given to it.", {
  container: containerSchema,
  concurrencyModel: optional(
    choice(
      "How many requests an instance gets at once: one (SingleThreaded), or as many as containerConcurrency says.",
      ["SingleThreaded", "MultiThreaded"],
      { default: "MultiThreaded" },
    ),
  ),
  containerConcurrency: optional(
    integer(
      "The most requests at once per instance; 0 is no limit. With SingleThreaded it is 1 and may not be more.",
      0,
      1000,
      {
        default: 0,
      },
    ),
  ),
  timeoutSeconds: optional(
    integer("The most seconds until the response begins.", 1, 3600, { default: defaultTimeoutSeconds }),
  ),
  serviceAccountName: optional(
    text("The ServiceAccount whose imagePullSecrets are used.", 253, { default: defaultServiceAccount }),
  ),
  imagePullSecrets: optional(
    keyed(
      "Secrets with registry credentials, besides the ServiceAccount's.",
      32,
      "name",
      object("A Secret.", { name: text("Its name, in the same namespace.", 253, { minLength: 1 }) }),
    ),
  ),
  volumes: optional(volumesSchema),
  buildName: optional(
    text(
      "The Build whose image it runs, in the same namespace. In a Configuration: an earlier Build, so that nothing is built; it wins over build.",
      63,
    ),
  ),
});
export type RevisionSpec = Static<typeof revisionSpecSchema>;

/** The most requests at once that an instance of the Revision gets; 0 is no limit. */
export function requestLimit(spec: RevisionSpec): number {
  return spec.concurrencyModel === "SingleThreaded" ? 1 : (spec.containerConcurrency ?? 0);
}

/** Where an image's content comes from: a repository and the commit, or an archive or manifest and its digest. */
export const imageSourceSchema = object("Where the image's content comes from.", {
  archive: optional(text("The source archive.", 2048)),
  manifest: optional(text("The source manifest.", 2048)),
  repository: optional(text("The source repository.", 2048)),
  context: optional(text("The commit, digest or path in it.", 2048)),
});
