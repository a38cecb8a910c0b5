/** What `export` does: reads a service and what it needs, decides on its image, prints manifests. */
import { FailureError, UsageError } from "../../errors.ts";
import { chosenRevision, imageOf, pullSecretsOf } from "../../exported-revision.ts";
import type { Factory, Session } from "../../factory.ts";
import { nameBelow } from "../../image-names.ts";
import { requireService } from "../../memory.ts";
import {
  ConfigMap,
  Configuration,
  type Revision,
  Route,
  Secret,
  ServiceAccount,
  type Template,
} from "../../objects.ts";
import { optional } from "../../optional.ts";
import { yaml } from "../../print.ts";
import type { ExportOptions } from "./export.ts";
import {
  accountManifest,
  configMapManifest,
  configurationManifest,
  isPinned,
  type Manifest,
  routeManifest,
  secretManifest,
  templateOf,
  withImage,
} from "./manifests.ts";
import { type Needs, needsOf } from "./needs.ts";

/** Runs `elafros export`. */
export async function runExport(options: ExportOptions, factory: Factory): Promise<void> {
  const service = await requireService(factory.cwd, options.service);
  if (options.build && options.imagesTo !== undefined) {
    throw new UsageError("Cannot use --build with --images-to: either the image is made there, or it was copied there");
  }
  const session = await factory.connect(options);
  try {
    const manifests = await manifestsOf({ service, session, options, factory });
    const { io } = factory;
    if (options.output === "json") {
      io.line(JSON.stringify({ apiVersion: "v1", kind: "List", metadata: {}, items: manifests }, undefined, 2));
    } else io.write((await Promise.all(manifests.map(yaml))).join("---\n"));
  } finally {
    session.client.close();
  }
}

interface Export {
  service: string;
  session: Session;
  options: ExportOptions;
  factory: Factory;
}

async function manifestsOf(of: Export): Promise<Manifest[]> {
  const { service, session, factory } = of;
  const { client, namespace } = session;
  const key = { namespace, name: service };
  const [configuration, route] = await Promise.all([
    optional(client.get(Configuration, key)),
    optional(client.get(Route, key)),
  ]);
  if (configuration === undefined) {
    throw new FailureError(`There is no service "${service}" in namespace "${namespace}": see 'elafros services list'`);
  }
  const { template, build } = await templateToExport(of, configuration);
  const accountName = template.spec.serviceAccountName ?? "default";
  const account = await optional(client.get(ServiceAccount, { namespace, name: accountName }));
  const needs = needsOf(template.spec, account, route);
  const own = account === undefined ? [] : [accountManifest(account)];
  if (route !== undefined && isPinned(route)) {
    factory.io.note(
      `Note: the route names revisions, which have other names elsewhere: the manifest gives all traffic to the newest of service [${service}]`,
    );
  }
  return [
    // The default account is there in every namespace; what was added to it isn't.
    ...own.filter(
      ({ metadata, ...more }) => metadata.name !== "default" || "imagePullSecrets" in more || "secrets" in more,
    ),
    ...(await needed(of, needs)),
    configurationManifest(configuration, { template, build }),
    ...(route === undefined ? [] : [routeManifest(route)]),
  ];
}

async function templateToExport(
  of: Export,
  configuration: Configuration,
): Promise<{ template: Template; build: Configuration["spec"]["build"] }> {
  const { options, session, service, factory } = of;
  const { build, revisionTemplate } = configuration.spec;
  const isBuilt = build !== undefined && (revisionTemplate.spec.buildName ?? "") === "";
  if (options.build) {
    if (options.revision !== undefined || !isBuilt) {
      throw new UsageError(
        options.revision === undefined
          ? `Service "${service}" isn't built: leave out --build`
          : "Cannot use --build with --revision: how a service is built is said of the service alone",
      );
    }
    if (JSON.stringify(build.source ?? {}).includes('"upload:sha256:')) {
      throw new FailureError(
        `Service "${service}" is built from source that was uploaded, which isn't there elsewhere: leave out --build, or deploy it there with --source`,
      );
    }
    return { template: revisionTemplate, build };
  }
  const asWritten = options.revision === undefined && !isBuilt && !options.digest && options.imagesTo === undefined;
  if (asWritten && (revisionTemplate.spec.buildName ?? "") === "")
    return { template: revisionTemplate, build: undefined };
  const revision = await chosenRevision(session, service, options.revision);
  const template = templateOf(revision);
  const byDigest = revision.spec.buildName !== undefined || options.digest || options.imagesTo !== undefined;
  if (!byDigest) return { template, build: undefined };
  const image = options.imagesTo === undefined ? imageOf(revision) : await copiedImage(of, revision, options.imagesTo);
  if (image.startsWith("localhost/")) {
    factory.io.note(
      `Note: image "${image}" is on this machine alone: copy it with 'elafros images copy --service ${service} --to REGISTRY/PREFIX', and export with --images-to REGISTRY/PREFIX`,
    );
  }
  return { template: withImage(template, image), build: undefined };
}

/** The image where `images copy` has put it. */
async function copiedImage(of: Export, revision: Revision, prefix: string): Promise<string> {
  const { session, factory, options, service } = of;
  const name = nameBelow(prefix, imageOf(revision), revision.metadata.name);
  const { env, cwd, signal, platform } = factory;
  const pullSecrets = await pullSecretsOf(session, revision);
  try {
    return await platform.exactImage(name, { env, cwd, signal, pullSecrets, authFile: options.authFile });
  } catch (error) {
    throw new FailureError(
      `Cannot find image "${name}": ${(error as Error).message}. Copy it with 'elafros images copy --service ${service} --revision ${revision.metadata.name} --to ${prefix}'`,
      { cause: error },
    );
  }
}

/** The Secrets and ConfigMaps that were asked for; of the others, what is needed is told. */
async function needed({ session, options, factory }: Export, { secrets, configMaps }: Needs): Promise<Manifest[]> {
  const { client, namespace } = session;
  const left = [
    ...(options.secrets || secrets.length === 0 ? [] : [`secrets ${secrets.join(", ")} (--secrets exports them)`]),
    ...(options.configMaps || configMaps.length === 0
      ? []
      : [`config maps ${configMaps.join(", ")} (--config-maps exports them)`]),
  ];
  if (left.length > 0) factory.io.note(`Note: needed there too, and not exported: ${left.join("; ")}`);
  const manifests: Manifest[] = [];
  for (const name of options.secrets ? secrets : []) {
    const secret = await optional(client.get(Secret, { namespace, name }));
    if (secret === undefined) factory.io.note(`Note: secret "${name}" isn't here`);
    else manifests.push(secretManifest(secret));
  }
  for (const name of options.configMaps ? configMaps : []) {
    const map = await optional(client.get(ConfigMap, { namespace, name }));
    if (map === undefined) factory.io.note(`Note: config map "${name}" isn't here`);
    else manifests.push(configMapManifest(map));
  }
  return manifests;
}
