/** Names of the labels, annotations and finalizers that the platform reads or writes. */

/** The suffix of every name that belongs to the platform. */
export const platformPrefix = "elafros.dev/";

/** Label on a Revision: the Configuration that made it. */
export const configurationLabel = "elafros.dev/configuration";
/** Label on a running instance's Pod: the Revision that it runs. */
export const revisionLabel = "elafros.dev/revision";
/** Label that users may set: `function` or `app`; a convention for listing, without effect on the system. */
export const typeLabel = "elafros.dev/type";
/** Annotation on a Revision: the generation of its Configuration, a decimal string. */
export const configurationGenerationAnnotation = "elafros.dev/configurationGeneration";
/** Annotation: who created the object. */
export const creatorAnnotation = "elafros.dev/creator";
/** Annotation: who changed the object's spec last. */
export const lastModifierAnnotation = "elafros.dev/last-modifier";
/** Annotation that `deploy` writes into a Configuration's template, so that it always makes a new Revision: an RFC 3339 time. */
export const deployedAtAnnotation = "elafros.dev/deployed-at";
/** Annotation that `deploy` writes into a Configuration's template: the commit of the directory that was deployed. */
export const gitCommitAnnotation = "elafros.dev/git-commit";
/** Annotation that `deploy` writes beside the commit: `true` where the directory had changes that weren't committed. */
export const gitDirtyAnnotation = "elafros.dev/git-dirty";
/** Annotation on a Configuration: when it is to be deleted, an RFC 3339 time. `elafros run` moves it on while it runs. */
export const expiresAtAnnotation = "elafros.dev/expires-at";
/** Finalizer on a Revision that a Route names: the Revision serves on until none does. */
export const routedFinalizer = "elafros.dev/routed";

/** Annotation on a Build: the name that its image gets, where no argument `_IMAGE` says. The Configuration controller writes its promise here. */
export const buildImageAnnotation = "elafros.dev/image";
/** Label on the Pod that shows a Build. */
export const buildNameLabel = "build.dev/buildName";
/** Start of annotations on a Secret: the git server that it is for, as a URL or host (`build.dev/git-0`). */
export const gitAnnotationPrefix = "build.dev/git-";
/** Start of annotations on a Secret: the registry that it is for, as a URL or host (`build.dev/docker-0`). */
export const dockerAnnotationPrefix = "build.dev/docker-";
/** Annotation on a BuildTemplate: a sentence that each build with it tells in an Event. */
export const noticeAnnotation = "build.dev/notice";
/** Annotation on a BuildTemplate: images, separated by commas, that must be at hand in /builder/bases before the steps run. ${NAME} stands for parameters. */
export const baseImagesAnnotation = "build.dev/base-images";

/** Platform annotations that users may write into `revisionTemplate.metadata`. */
export const templateAnnotations: readonly string[] = [deployedAtAnnotation, gitCommitAnnotation, gitDirtyAnnotation];
/** Platform labels that users may write into `revisionTemplate.metadata`. */
export const templateLabels: readonly string[] = [typeLabel];
