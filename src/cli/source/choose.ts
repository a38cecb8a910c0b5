/**
 * What a deploy is made from: an image, or a source that is built. Pure.
 */
import type { Memory, SourceMemory } from "../memory.ts";

/** What the command line says about it. */
export interface ContentOptions {
  image?: string | undefined;
  source?: string | undefined;
  template?: string | undefined;
  /** Its entry point; true where that is left to detection. */
  function?: string | true | undefined;
  buildArg: readonly { key: string; value: string }[];
}

export type Content =
  | { type: "image"; image: string }
  /** `implied`: nobody named it, it is just what the directory holds. */
  | { type: "source"; source: SourceMemory; implied: boolean };

/**
 * The image or source that is named; else the image, or the source, that the directory deployed last to that service; else what the
 * directory holds. With a source, `image` is where its image goes.
 */
export function chooseContent(options: ContentOptions, memory: Memory, service: string): Content {
  const { image, template, buildArg } = options;
  const wantsBuild =
    options.source !== undefined || template !== undefined || options.function !== undefined || buildArg.length > 0;
  if (!wantsBuild && image !== undefined) return { type: "image", image };
  const lastImage = memory.images?.[service];
  if (!wantsBuild && lastImage !== undefined) return { type: "image", image: lastImage };
  const chosen = chooseSource(options, memory, service);
  return { type: "source", ...chosen, implied: !wantsBuild && chosen.implied };
}

/**
 * The source that is named, else the one that was last, else what the directory holds. One that is named is built as it is said here,
 * one that is remembered as it was said then, but for what is said here.
 */
export function chooseSource(
  options: ContentOptions,
  memory: Pick<Memory, "sources">,
  service: string,
): { source: SourceMemory; implied: boolean } {
  const last = options.source === undefined ? remembered(memory, service) : undefined;
  const buildArgs = {
    ...last?.buildArgs,
    ...Object.fromEntries(options.buildArg.map(({ key, value }) => [key, value])),
  };
  const fn = options.function ?? last?.function;
  const by = options.template ?? last?.template;
  const destination = options.image ?? last?.image;
  return {
    source: {
      source: options.source ?? last?.source ?? ".",
      ...(by === undefined ? {} : { template: by }),
      ...(fn === undefined ? {} : { function: fn }),
      ...(destination === undefined ? {} : { image: destination }),
      ...(Object.keys(buildArgs).length === 0 ? {} : { buildArgs }),
    },
    implied: options.source === undefined && last === undefined,
  };
}

/** The file may have been edited: what isn't as it should be is no memory. */
function remembered(memory: Pick<Memory, "sources">, service: string): SourceMemory | undefined {
  const last = memory.sources?.[service];
  return typeof last?.source === "string" ? last : undefined;
}
