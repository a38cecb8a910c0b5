/**
 * What a deploy brings: an image, or a source made ready to be built.
 */
import { imageParameter } from "../../../api/build-names.ts";
import { typeLabel } from "../../../api/labels.ts";
import { UsageError } from "../../errors.ts";
import type { Factory, Session } from "../../factory.ts";
import { gitFacts, type GitFacts } from "../../git.ts";
import { readMemory, type SourceMemory } from "../../memory.ts";
import type { Configuration } from "../../objects.ts";
import type { ServiceType } from "../../options.ts";
import { checkBuildArgs } from "../../source/build-args.ts";
import { requireImagePlace } from "../../server-kind.ts";
import { chooseContent, type Content } from "../../source/choose.ts";
import { type InlineBuild, makeBuild } from "../../source/make-build.ts";
import type { PreparedSource } from "../../source/prepare.ts";
import { findTemplate } from "../../templates.ts";
import type { DeployOptions } from "./deploy.ts";

export interface DeployContent {
  /** What the container runs: the image that is there, or the promise of the one that is built. */
  image: string;
  /** Of what is built. */
  type?: ServiceType;
  /** For the sentence that says what is deployed. */
  shownType: ServiceType;
  git?: GitFacts | undefined;
  /** Present where something is built. */
  source?: PreparedSource;
  build?: (before: InlineBuild | undefined) => InlineBuild;
  /** What the directory remembers of it. */
  memory: { image: string } | { source: SourceMemory };
}

interface Asking {
  service: string;
  session: Session;
  options: DeployOptions;
  factory: Factory;
}

/** Finds out what to deploy, and looks at it. Nothing is written yet. */
export async function prepareContent(asking: Asking, configuration: Configuration | undefined): Promise<DeployContent> {
  const { service, options, factory } = asking;
  const content = chooseContent(options, await readMemory(factory.cwd), service);
  if (content.type === "source") return prepareToBuild(asking, content, configuration);
  const { image } = content;
  const present = imageOf(configuration);
  if (options.image === undefined && present !== undefined && present !== image) {
    factory.io.note(
      `Note: deploying "${image}", the last image from this directory; the service has "${present}". Choose with --image`,
    );
  }
  const isFunction = configuration?.spec.revisionTemplate.metadata?.labels?.[typeLabel] === "function";
  return { image, shownType: isFunction ? "function" : "app", git: await gitFacts(factory.cwd), memory: { image } };
}

async function prepareToBuild(
  { service, session, options, factory }: Asking,
  { source: how, implied }: Extract<Content, { type: "source" }>,
  configuration: Configuration | undefined,
): Promise<DeployContent> {
  if (options.source === undefined && how.source !== ".") {
    factory.io.note(`Note: building "${how.source}", the last source from this directory. Choose with --source`);
  }
  if (how.template !== undefined) await findTemplate(session, how.template);
  const image = how.image ?? destinationOf(configuration) ?? `localhost/${session.namespace}/${service}`;
  await requireImagePlace(session.client, image, "name one with --image REGISTRY/NAME");
  const { cwd, env, signal } = factory;
  // Archives and detection are loaded only where something is built: they cost more than a deploy of an image.
  const { prepareSource } = await import("../../source/prepare.ts");
  const source = await prepareSource(how, { cwd, env, signal }).catch((error: unknown) => {
    throw implied && !signal.aborted ? nothingToDeploy(service, imageOf(configuration), error) : error;
  });
  const template = { named: how.template, detected: source.detection?.template };
  await checkBuildArgs(session, options.buildArg, template).catch(async (error: unknown) => {
    await source[Symbol.asyncDispose]();
    throw error;
  });
  const type = how.function === undefined ? "app" : "function";
  return {
    image,
    type,
    shownType: type,
    git: source.git,
    source,
    build: (before) => makeBuild({ before, how, prepared: source, image }),
    memory: { source: how },
  };
}

/** The directory was never deployed, and holds nothing that could be. */
function nothingToDeploy(service: string, present: string | undefined, cause: unknown): UsageError {
  const keep = present === undefined ? "" : `, such as the one that it has (${present})`;
  return new UsageError(
    `Nothing to deploy to service "${service}": no image was deployed from this directory before, and its files can't be built. Give an image with --image IMAGE${keep}, or a source with --source DIR|ARCHIVE|GIT-URL. ${(cause as Error).message}`,
    { cause },
  );
}

function imageOf(configuration: Configuration | undefined): string | undefined {
  return configuration?.spec.revisionTemplate.spec.container.image;
}

/** Where the service's builds have put their images until now. */
function destinationOf(configuration: Configuration | undefined): string | undefined {
  return configuration?.spec.build?.template?.arguments?.find(({ name }) => name === imageParameter)?.value;
}
