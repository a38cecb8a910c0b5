/** Copying images between registries, and from this machine to one, for the CLI. */
import type { Secret } from "../../api/secret.ts";
import { registryAuths } from "../../reconcilers/revision/pull-secrets.ts";
import { ImageError } from "../../runtime/images.ts";
import { copyImage, type CopyResult } from "../../runtime/registry/copy.ts";
import { type ImageReference, parseReference } from "../../runtime/registry/reference.ts";
import { openRepository, type Repository } from "../../runtime/registry/repository.ts";
import { type ImageSource, layoutSource, registrySource } from "../../runtime/registry/source.ts";
import { authoritiesFor } from "./authorities.ts";
import { withLocalImage } from "./local.ts";
import { placesOf } from "./mirrors.ts";
import { machineAuths, type MachineAuthOptions } from "./machine-auths.ts";

export interface RegistryAccess extends MachineAuthOptions {
  /** Their credentials count before the machine's. */
  pullSecrets: readonly Secret[];
  signal: AbortSignal;
}

export interface CopyImageOptions extends RegistryAccess {
  /** An image with tag or digest; `localhost/…` is one of this machine. */
  from: string;
  /** A name with a tag, without a digest. */
  to: string;
  /** Of the installation whose images this machine has. */
  dataDir: string;
  /** Told of bytes as they go over. */
  onBytes?: (sent: number) => void;
}

export interface CopiedImage extends CopyResult {
  /** `name@sha256:…`, as it is there now. */
  exact: string;
}

/** Copies one. @throws ImageError naming the image, what is wrong and as whom it was asked */
export async function copyOne(options: CopyImageOptions): Promise<CopiedImage> {
  const source = parseReference(options.from);
  const target = parseReference(options.to);
  if (target.digest !== undefined) {
    throw new ImageError(`Cannot copy to "${options.to}": a copy has the digest that its image has; name a tag`);
  }
  if (target.local) {
    throw new ImageError(
      `Cannot copy to "${options.to}": localhost is this machine, and no registry; name a registry's host`,
    );
  }
  if (source.local) {
    const name = options.from;
    return withLocalImage({ dataDir: options.dataDir, name }, (layout) =>
      send(options, { source: layoutSource(layout), reference: "", target }),
    );
  }
  const reference = source.digest ?? source.tag ?? "latest";
  const from = await openFirst(await placesOf(source, options.env), reference, options);
  try {
    return await send(options, { source: registrySource(from), reference, target });
  } finally {
    from.close();
  }
}

/** The first place that has it; what the last one says where none has. @throws ImageError */
async function openFirst(
  places: readonly ImageReference[],
  reference: string,
  options: CopyImageOptions,
): Promise<Repository> {
  for (const [index, place] of places.entries()) {
    const repository = await open(place, options, { write: false });
    if (index === places.length - 1) return repository;
    try {
      await registrySource(repository).manifest(reference);
      return repository;
    } catch (error) {
      repository.close();
      if (!(error instanceof ImageError)) throw error;
    }
  }
  throw new ImageError("no registry has it");
}

async function send(
  options: CopyImageOptions,
  { target, ...what }: { source: ImageSource; reference: string; target: ImageReference },
): Promise<CopiedImage> {
  const { place } = what.source;
  const mountFrom = place?.registry === target.registry ? place.path : undefined;
  const to = await open(target, options, { write: true, mountFrom });
  const { signal, onBytes } = options;
  try {
    const result = await copyImage({
      ...what,
      target: to,
      tag: target.tag ?? "latest",
      signal,
      ...(onBytes === undefined ? {} : { onBytes }),
    });
    return { ...result, exact: `${target.name}@${result.digest}` };
  } finally {
    to.close();
  }
}

/** What a tag is in its registry: `name@sha256:…`. @throws ImageError */
export async function exactImage(image: string, access: RegistryAccess): Promise<string> {
  const reference = parseReference(image);
  if (reference.digest !== undefined) return `${reference.name}@${reference.digest}`;
  const repository = await open(reference, access, { write: false });
  try {
    const { digest } = await registrySource(repository).manifest(reference.tag ?? "latest");
    return `${reference.name}@${digest}`;
  } finally {
    repository.close();
  }
}

async function open(
  reference: ImageReference,
  access: RegistryAccess,
  how: { write: boolean; mountFrom?: string | undefined },
): Promise<Repository> {
  const { registry } = reference;
  const [auths, ca] = await Promise.all([machineAuths(registry, access), authoritiesFor(registry, access.env)]);
  const given = registryAuths(access.pullSecrets);
  return openRepository({ reference, auths: [...given, ...auths], ca, signal: access.signal, ...how });
}
