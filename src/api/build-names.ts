/** Names that builds are declared with, for those who don't load their schemas. */

/** The namespace of the templates that the platform brings, and that everybody may use. */
export const sharedTemplates = "build-templates";

/** The ConfigMap in that namespace that names the base images of the platform's templates. */
export const baseImagesName = "base-images";

/** The parameter, and the argument, that names the image to make. */
export const imageParameter = "_IMAGE";

/** The parameter, and the argument, that names a function. */
export const entryPointParameter = "_ENTRY_POINT";

/** A template's name as it is stored: `nodejs_8_9_4` is `nodejs-8-9-4`. */
export function templateName(written: string): string {
  return written.replaceAll("_", "-").toLowerCase();
}

/** ConfigMap in that namespace that says where a cluster's uploads go, as a path of its API server: key `path`. */
export const uploadsConfig = "elafros-uploads";
/** Whom the tokens are for that are shown there, and in which field. */
export const uploadsAudience = "builds.elafros.dev";
export const uploadsTokenField = "x-elafros-token";
