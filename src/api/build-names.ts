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
