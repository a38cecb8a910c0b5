/**
 * The Secrets of a build: values of its steps' variables and files, the credentials in its `HOME`, those for pulling its images, and what the platform's own programs are
 * told. They are named after the Build's uid, owned by it, and taken away when the Pod has ended. Pure.
 */
import { createHash } from "node:crypto";
import { buildNameLabel } from "../../api/labels.ts";
import type { OwnerReference } from "../../api/meta/types.ts";
import type { Secret } from "../../api/secret.ts";
import { homeFiles } from "../../runtime/build-home.ts";
import type { BuildKey, BuildSpec, StepSpec } from "../../runtime/builds.ts";
import type { FetchRequest } from "../../runtime/fetch/protocol.ts";
import { uploadOf } from "../../lib/source/location.ts";
import { parseReference } from "../../runtime/registry/reference.ts";
import { makePullSecret, makeValueSecrets, type ValueSecrets } from "../workloads/make-secrets.ts";
import { authoritiesFile, buildPodName, ownPaths, uploadsPath } from "./names.ts";
import type { DoorRepository, ImageRequest, PrepareRequest } from "./programs.ts";
import { namespacedName, pathInNamespace } from "./registry.ts";

export interface BuildSecrets {
  /** All of them. */
  secrets: Secret[];
  /** The name of the one that the platform's own programs read, and its keys with their file names there. */
  input: string;
  pull: string | undefined;
  values: ValueSecrets;
  /** Directories of `HOME` that credentials are in. */
  credentialDirectories: string[];
  /** Whether authorities are in it that the installation trusts besides the public ones. */
  authorities: boolean;
  /** Whether an upload is to be fetched, and whether the image goes through the door. */
  door: { upload: boolean; image: boolean };
}

/** The controllers' door to the installation's registry. */
export interface DoorFacts extends Pick<DoorRepository, "host" | "ca" | "serverName"> {
  /** The registry behind it, `HOST/PREFIX`. */
  place: string;
}

/** What the installation adds to a spec. */
export interface InstallationFacts {
  /** The way to its registry; absent: it names none. */
  door?: DoorFacts | undefined;
  /** Authorities that it trusts besides the public ones, PEM. */
  authorities?: string | undefined;
}

/** Whether an image's name has a registry, and needs no door. */
export function hasRegistry(image: string): boolean {
  const { local, short } = parseReference(image);
  return !local && !short;
}

/** The most that a source may hold in `/workspace`, as on one machine. */
const sourceLimits = { bytes: 4 * 2 ** 30, entries: 500_000 };

/** The steps of the user, a source of its own among them. */
export function userSteps({ source, steps }: BuildSpec): StepSpec[] {
  return source?.type === "custom" ? [{ ...source.step, name: "source" }, ...steps] : steps;
}

export function buildOwner(key: BuildKey, uid: string): OwnerReference {
  return {
    apiVersion: "build.dev/v1alpha1",
    kind: "Build",
    name: key.name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/**
 * The Secrets of a spec.
 * @throws TypeError where a credential is none
 */
export function makeBuildSecrets(
  key: BuildKey,
  spec: BuildSpec,
  { door, authorities }: InstallationFacts,
): BuildSecrets {
  const owner = buildOwner(key, spec.uid);
  const labels = { [buildNameLabel]: key.name };
  const hash = createHash("sha256").update(spec.uid).digest("hex").slice(0, 8);
  const place = { namespace: key.namespace, name: `${buildPodName(key)}-${hash}` };
  const steps = userSteps(spec);
  // One list for all: a value's place is its place in it.
  const all = { env: steps.flatMap(({ env }) => env), mounts: steps.flatMap(({ mounts }) => mounts) };
  const values = makeValueSecrets(place, all, owner, labels);
  const pull = makePullSecret(place, spec.registryAuths, owner, labels);
  const { data, ...rest } = makeInput(key, spec, door);
  const input: Secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: `${place.name}-input`, namespace: key.namespace, labels, ownerReferences: [owner] },
    type: "Opaque",
    data: { ...data, ...(authorities === undefined ? {} : { [authoritiesFile]: encoded(authorities) }) },
  };
  return {
    secrets: [...values.secrets, ...(pull === undefined ? [] : [pull]), input],
    input: input.metadata.name,
    authorities: authorities !== undefined,
    pull: pull?.metadata.name,
    values,
    ...rest,
  };
}

type Input = Pick<BuildSecrets, "credentialDirectories" | "door"> & { data: Record<string, string> };

function makeInput(key: BuildKey, spec: BuildSpec, door: DoorFacts | undefined): Input {
  const home = homeFiles(spec).map(({ path, data }, index) => ({ path, from: `home-${index}`, data }));
  const upload = door && uploadIn(key, spec, door);
  const prepare: PrepareRequest = {
    home: home.map(({ path, from }) => ({ path, from })),
    ...(upload === undefined ? {} : { upload }),
  };
  const through = door && imageThrough(key, spec, door);
  const image: ImageRequest = {
    ...(spec.image === undefined ? {} : { image: spec.image }),
    registryAuths: spec.registryAuths,
    ...(through === undefined ? {} : { door: through }),
  };
  const fetch: FetchRequest | undefined =
    spec.source === undefined || spec.source.type === "custom"
      ? undefined
      : {
          source: spec.source,
          limits: sourceLimits,
          fileSources: [],
          ...(upload === undefined ? {} : { upload: upload.to }),
        };
  return {
    data: {
      "prepare.json": encoded(JSON.stringify(prepare)),
      "image.json": encoded(JSON.stringify(image)),
      ...(fetch === undefined ? {} : { "source.json": encoded(JSON.stringify(fetch)) }),
      ...Object.fromEntries(home.map(({ from, data }) => [from, encoded(data)])),
    },
    credentialDirectories: [...new Set(home.map(({ path }) => path.slice(0, path.lastIndexOf("/"))))],
    door: { upload: upload !== undefined, image: through !== undefined },
  };
}

function encoded(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

function repositoryOf(key: BuildKey, path: string, { host, ca, serverName }: DoorFacts): DoorRepository {
  return { host, ca, serverName, path: `${key.namespace}/${path}`, tokenFile: ownPaths.token };
}

function uploadIn(key: BuildKey, { source }: BuildSpec, door: DoorFacts): PrepareRequest["upload"] {
  const digest = source?.type === "archive" || source?.type === "manifest" ? uploadOf(source.location) : undefined;
  if (digest === undefined) return undefined;
  return { digest, to: `${ownPaths.fetch}/upload`, from: repositoryOf(key, uploadsPath, door) };
}

function imageThrough(key: BuildKey, { image }: BuildSpec, door: DoorFacts): ImageRequest["door"] {
  if (image === undefined || hasRegistry(image)) return undefined;
  const { path, tag } = pathInNamespace(image, key.namespace);
  return { to: repositoryOf(key, path, door), name: namespacedName(door.place, key.namespace, path), tag };
}
