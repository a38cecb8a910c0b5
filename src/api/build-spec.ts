/** What Build.spec and Configuration.spec.build have in common: source, how it is built, and what the steps may use. */
import type { Static } from "typebox";
import { stepSchema, stepsSchema } from "./build-step.ts";
import { choice, keyed, object, optional, refused, text, unique } from "./meta/fields.ts";
import { defaultServiceAccount } from "./revision-spec.ts";
import { volumesSchema } from "./volume.ts";

/** How long a build may take, where its spec doesn't say. */
export const defaultBuildTimeout = "10m";

export { imageParameter, sharedTemplates, templateName } from "./build-names.ts";

const git = object("A git repository. Exactly one of commit, branch, tag and ref.", {
  url: optional(text("Its URL: https://, http://, ssh://, git@HOST:PATH or file:///.", 2048)),
  commit: optional(text("The commit: all its hexadecimal digits.", 64)),
  branch: optional(text("The branch whose newest commit is taken.", 255)),
  tag: optional(text("The tag.", 255)),
  ref: optional(text("Any other ref, such as refs/pull/7/head.", 255)),
});

const gcs = object("An archive (zip, tar, tar.gz), or a manifest of files.", {
  location: optional(
    text("Where it is: an https://, gs:// or s3:// URL (#sha256=HEX pins it), or upload:sha256:HEX.", 2048),
  ),
  type: optional(
    choice(
      "An archive, or a manifest: a JSON object of PATH: {sourceUrl, sha256}. In any case of letters.",
      ["archive", "manifest"],
      { default: "archive" },
    ),
  ),
});

const source = object("Where the files of /workspace come from. Exactly one of custom, gcs and git.", {
  git: optional(git),
  gcs: optional(gcs),
  custom: optional(stepSchema),
});
export type Source = Static<typeof source>;

const template = object("The BuildTemplate that says how.", {
  name: optional(text("Its name; `_` reads as `-`, and letters as lower case: nodejs_24 finds nodejs-24.", 253)),
  namespace: optional(
    text(
      "Its namespace: the build's own, or build-templates. Default: the build's own, and where it isn't there, build-templates.",
      63,
    ),
  ),
  arguments: optional(
    unique(
      "DuplicateArgName",
      keyed(
        "Values of its parameters.",
        256,
        "name",
        object("An argument.", {
          name: text("The parameter.", 128, { minLength: 1 }),
          value: optional(text("Its value. Default: empty.", 65_536)),
        }),
      ),
    ),
  ),
  env: refused("not supported yet"),
  kind: refused("templates are BuildTemplates, of the build's namespace or of build-templates"),
});
export type TemplateReference = Static<typeof template>;

/** `volumes` of a build, which all its steps share. */
export const buildVolumesSchema = unique("DuplicateVolumeName", volumesSchema);

const fields = {
  source: optional(source),
  template: optional(template),
  steps: optional(stepsSchema),
  volumes: optional(buildVolumesSchema),
  serviceAccountName: optional(
    text("The ServiceAccount whose Secrets give access to repositories and registries.", 253, {
      default: defaultServiceAccount,
    }),
  ),
  timeout: optional(
    text("How long it may take, from its start: a duration such as 10m or 90s, at most 24h.", 64, {
      default: defaultBuildTimeout,
    }),
  ),
};
const notYet = "not supported yet";
const others = { nodeSelector: refused(notYet), affinity: refused(notYet), sources: refused(notYet) };

/** `Configuration.spec.build`. */
export const inlineBuildSchema = object("How the image is made from source. Exactly one of steps and template.", {
  ...fields,
  ...others,
  status: refused("cancel the Build, not the Configuration: set its spec.status, or delete it"),
});
export type InlineBuild = Static<typeof inlineBuildSchema>;

/** `Build.spec`. */
export const buildSpecSchema = object("What to build, and how. Exactly one of steps and template.", {
  ...fields,
  ...others,
  status: optional(choice("BuildCancelled ends the build. The only field that can change.", ["BuildCancelled"])),
});
export type BuildSpec = Static<typeof buildSpecSchema>;

/**
 * Whether the source is the same each time that it is fetched: a commit, an upload, or a URL with a digest. Only then can what was
 * built from it be used again.
 */
export function isFixed(from: Source | undefined): boolean {
  if (from?.git?.commit !== undefined && from.git.commit !== "") return true;
  const location = from?.gcs?.location ?? "";
  return /^upload:sha256:[a-f0-9]{64}$/.test(location) || /#sha256=[a-f0-9]{64}$/.test(location);
}
