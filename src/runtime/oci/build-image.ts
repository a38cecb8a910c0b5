/** A build's result: what the steps have left becomes an exact image. All of it can be done again after a crash, with the same result. */
import { namelessFailure, notPushedWords, pushFailure, unpushableFailure } from "../build-words.ts";
import { ImageError } from "../images.ts";
import type { BuildContext } from "./build-context.ts";
import { BuildFailed } from "./build-end.ts";
import { buildPaths, type BuildRecord } from "./build-record.ts";
import { readText } from "./files.ts";
import { builtReference } from "./images-import.ts";
import { hasLayout, readLayout } from "../registry/layout.ts";
import { parseReference } from "../registry/reference.ts";

/**
 * The exact image: taken from the layout in `/builder/image`, and pushed where its name has a registry; else what a step has pushed itself. Undefined where the build is
 * for no image.
 * @param say is told what goes on
 * @throws BuildFailed
 */
export async function takeImage(
  ctx: BuildContext,
  record: BuildRecord,
  { signal, say }: { signal: AbortSignal; say: (message: string) => void },
): Promise<string | undefined> {
  const { images } = ctx.driver;
  const { image: name, registryAuths } = record.spec;
  const paths = buildPaths(ctx.places, record.id);
  const knownBlobs = ctx.bases.blobs.dir;
  const layout = { layout: paths.image, name: name ?? "", knownBlobs };
  if (!(await hasLayout(paths.image))) return name === undefined ? undefined : pushedImage(ctx, record, name);
  if (name === undefined) {
    throw new BuildFailed(namelessFailure.reason, namelessFailure.message);
  }
  say("Taking the image");
  const exact = await images.importLayout(layout, signal).catch((error: unknown) => {
    throw failed("ImageMissing", error);
  });
  if (!builtReference(name).local) say("Pushing the image");
  await images.pushLayout(layout, registryAuths, signal).catch((error: unknown) => {
    throw failed("PushFailed", error, (why) => pushFailure(name, why).message);
  });
  await readLayout(paths.image, { arch: process.arch, knownBlobs })
    .then((image) => ctx.bases.blobs.keep(image))
    .catch((error: unknown) =>
      ctx.driver.log.warn({ error, build: record.id }, "Layers of base images can't be kept: builds write them again"),
    );
  return exact;
}

/** What a step has pushed itself: the digest that it wrote into `/builder/image-digest`, else what the tag is now. */
async function pushedImage(ctx: BuildContext, record: BuildRecord, name: string): Promise<string> {
  const { images } = ctx.driver;
  const { registryAuths } = record.spec;
  try {
    const reference = builtReference(name);
    if (reference.local) {
      const { reason, message } = unpushableFailure(name);
      throw new BuildFailed(reason, message);
    }
    const written = await readText(buildPaths(ctx.places, record.id).imageDigest);
    const digest = written?.split("@").at(-1);
    const exact =
      digest === undefined ? await images.resolve(name, registryAuths, "Always") : `${reference.name}@${digest}`;
    parseReference(exact); // what a step has written may be anything
    await images.pull(exact, registryAuths);
    return exact;
  } catch (error) {
    throw failed("ImageMissing", error, (why) => notPushedWords(name, why));
  }
}

/** Anything that says why becomes the build's failure; what doesn't, as an abort, stays what it is. */
function failed(
  reason: "ImageMissing" | "PushFailed",
  error: unknown,
  words: (why: string) => string = (why) => why,
): unknown {
  if (!(error instanceof ImageError)) return error;
  return new BuildFailed(reason, words(error.message), { cause: error });
}
