/**
 * Objects as manifests that `kubectl apply` takes anywhere: what a person has said of them, without what a server or this program has written. Pure. They
 * have no namespace: whoever applies them says it.
 */
import { defaultPullPolicy } from "../../../api/image.ts";
import { platformPrefix, templateAnnotations, templateLabels } from "../../../api/labels.ts";
import { previousTrafficAnnotation } from "../../previous-traffic.ts";
import type { ConfigMap, Configuration, Revision, Route, Secret, ServiceAccount, Template } from "../../objects.ts";
import { automatic } from "../../traffic.ts";

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: Marks & { name: string };
  [field: string]: unknown;
}

/** Labels and annotations; a map that would be empty is left out. */
interface Marks {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

interface Described {
  metadata: {
    name: string;
    labels?: Readonly<Record<string, string>> | undefined;
    annotations?: Readonly<Record<string, string>> | undefined;
  };
}

/** What `kubectl` and Kubernetes write into annotations themselves. */
const foreignAnnotations = /^(?:kubectl\.kubernetes\.io\/last-applied-configuration|deployment\.kubernetes\.io\/.*)$/u;

function metadataOf({ metadata: { name, labels, annotations } }: Described): Manifest["metadata"] {
  const own = (key: string) => key.startsWith(platformPrefix) || foreignAnnotations.test(key);
  return {
    name,
    ...kept("labels", labels, (key) => !own(key)),
    ...kept("annotations", annotations, (key) => !own(key)),
  };
}

function kept(
  field: "labels" | "annotations",
  map: Readonly<Record<string, string>> | undefined,
  keep: (key: string) => boolean,
): Marks {
  const entries = Object.entries(map ?? {}).filter(([key]) => keep(key));
  return entries.length === 0 ? {} : { [field]: Object.fromEntries(entries) };
}

/** The template that a Revision was made from, as far as it shows it. */
export function templateOf({ metadata, spec }: Revision): Template {
  const { buildName: _, ...rest } = spec;
  const mine = (key: string, allowed: readonly string[]) =>
    allowed.includes(key) || !(key.startsWith(platformPrefix) || foreignAnnotations.test(key));
  const labels = kept("labels", metadata.labels, (key) => mine(key, templateLabels));
  const annotations = kept("annotations", metadata.annotations, (key) => mine(key, templateAnnotations));
  const all = { ...labels, ...annotations };
  return { ...(Object.keys(all).length === 0 ? {} : { metadata: all }), spec: rest };
}

/** The template with another image. A pull policy that a server has filled in for the one before goes: each server has its own for what is exact. */
export function withImage(template: Template, image: string): Template {
  const { imagePullPolicy: policy, ...container } = template.spec.container;
  const isFilledIn = policy === undefined || policy === defaultPullPolicy(container.image);
  const kept = isFilledIn ? {} : { imagePullPolicy: policy };
  return { ...template, spec: { ...template.spec, container: { ...container, image, ...kept } } };
}

/** The Configuration with this template; `build` is how its image is made, where it is to be made there again. */
export function configurationManifest(
  configuration: Configuration,
  { template, build }: { template: Template; build: Configuration["spec"]["build"] },
): Manifest {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: metadataOf(configuration),
    spec: { ...(build === undefined ? {} : { build }), revisionTemplate: template },
  };
}

/** Whether a Route names Revisions, which are others elsewhere. */
export function isPinned(route: Route): boolean {
  return route.spec.rollout.traffic.some(({ revisionName = "" }) => revisionName !== "");
}

/** The Route. One that names Revisions follows the Configuration of its name instead. */
export function routeManifest(route: Route): Manifest {
  const { rollout, ...rest } = route.spec;
  const traffic = isPinned(route) ? automatic(route.metadata.name) : rollout.traffic;
  const { metadata } = route;
  const annotations = Object.fromEntries(
    Object.entries(metadata.annotations ?? {}).filter(([key]) => key !== previousTrafficAnnotation),
  );
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: metadataOf({ metadata: { ...metadata, annotations } }),
    spec: { rollout: { ...rollout, traffic }, ...rest },
  };
}

export function accountManifest(account: ServiceAccount): Manifest {
  const { imagePullSecrets = [], secrets = [], automountServiceAccountToken: automount } = account;
  // Kubernetes before 1.24 made a token for each by itself.
  const made = [`${account.metadata.name}-token-`, `${account.metadata.name}-dockercfg-`];
  const named = secrets.filter(({ name }) => !made.some((start) => name.startsWith(start)));
  return {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: metadataOf(account),
    ...(named.length === 0 ? {} : { secrets: named.map(({ name }) => ({ name })) }),
    ...(imagePullSecrets.length === 0 ? {} : { imagePullSecrets: imagePullSecrets.map(({ name }) => ({ name })) }),
    ...(automount === undefined ? {} : { automountServiceAccountToken: automount }),
  };
}

export function secretManifest(secret: Secret): Manifest {
  const { type = "Opaque", data, immutable } = secret;
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: metadataOf(secret),
    type,
    ...(data === undefined ? {} : { data }),
    ...(immutable === undefined ? {} : { immutable }),
  };
}

export function configMapManifest(map: ConfigMap): Manifest {
  const { data, binaryData, immutable } = map;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadataOf(map),
    ...(data === undefined ? {} : { data }),
    ...(binaryData === undefined ? {} : { binaryData }),
    ...(immutable === undefined ? {} : { immutable }),
  };
}
