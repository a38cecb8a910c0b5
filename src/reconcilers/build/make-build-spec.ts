/** Makes the port's BuildSpec of a Build: everything that it is made from, with no reference left to resolve. Pure. */
import { type Source, defaultBuildTimeout, imageParameter, templateName } from "../../api/build-spec.ts";
import { type Step, sourceStep, stepName } from "../../api/build-step.ts";
import { validateSteps } from "../../api/build-step.validation.ts";
import type { BuildTemplate } from "../../api/build-template.ts";
import type { Build } from "../../api/build.ts";
import { imageWords, parseImage } from "../../api/image.ts";
import {
  baseImagesAnnotation,
  buildImageAnnotation,
  buildNameLabel,
  configurationLabel,
  noticeAnnotation,
} from "../../api/labels.ts";
import { parseDuration } from "../../api/meta/duration.ts";
import type { Secret } from "../../api/secret.ts";
import type { Volume } from "../../api/volume.ts";
import type { BuildSource, BuildSpec, StepSpec } from "../../runtime/builds.ts";
import { expand, makeEnv } from "../revision/env.ts";
import { makeResources, makeSecurity } from "../revision/make-instance-spec.ts";
import { makeMounts } from "../revision/mounts.ts";
import { registryAuths } from "../revision/pull-secrets.ts";
import { type ReferenceSource, type References, createReferences } from "../revision/references.ts";
import { makeCredentials } from "./credentials.ts";
import { substitute, substituteStep, valuesOf } from "./substitute.ts";

export interface BuildSpecInput {
  build: Build;
  /** The uid of its namespace. */
  namespaceUid: string;
  /** The template that it names; undefined where there is none. */
  template: BuildTemplate | undefined;
  /** Whether the ServiceAccount that it names is there. */
  hasAccount: boolean;
  /** The ServiceAccount's Secrets. */
  secrets: readonly Secret[];
  /** Secrets with registry credentials only: the ServiceAccount's and the Configuration's imagePullSecrets. */
  pullSecrets: readonly Secret[];
  source: ReferenceSource;
}

export type BuildSpecResult =
  /** `notices`: sentences for the user. */
  | { spec: BuildSpec; notices: readonly string[] }
  /** What it refers to and isn't there, and may still come. */
  | { missing: string }
  /** It can't run as it is. */
  | { fault: string };

/** The spec, or why there is none. */
export function makeBuildSpec(input: BuildSpecInput): BuildSpecResult {
  const { build, template, source } = input;
  const { metadata, spec } = build;
  if (spec.template !== undefined && template === undefined) return { missing: templateMissing(build) };
  const parts = partsOf(build, template);
  if ("fault" in parts) return parts;

  const references = createReferences(source);
  if (!input.hasAccount) references.note(`serviceaccount "${spec.serviceAccountName ?? ""}" not found`);
  const make = (step: Step, name: string) => makeStep({ step, name, build, volumes: parts.volumes, references });
  const steps = parts.steps.map((step, position) => make(step, stepName(step, position)));
  const from = spec.source === undefined ? undefined : makeSource(spec.source, make);
  if (references.problems.length > 0) return { missing: `Cannot start: ${references.problems.join("; ")}` };
  const credentials = makeCredentials(input.secrets);
  if (credentials.problems.length > 0) return { fault: credentials.problems.join("; ") };

  return {
    spec: {
      uid: metadata.uid ?? "",
      ...(from === undefined ? {} : { source: from }),
      steps,
      ...(parts.image === undefined ? {} : { image: parts.image }),
      baseImages: parts.baseImages,
      registryAuths: [...credentials.registries, ...registryAuths(input.pullSecrets)],
      gitCredentials: credentials.git,
      ...cacheOf(build, input.namespaceUid),
      timeoutMs: parseDuration(spec.timeout ?? defaultBuildTimeout) ?? 0,
      labels: labelsOf(build),
    },
    notices: parts.notices,
  };
}

function templateMissing({ metadata, spec }: Build): string {
  const { name = "", namespace = "" } = spec.template ?? {};
  const where = namespace === "" ? `${metadata.namespace ?? ""} or build-templates` : namespace;
  return `TemplateMissing: there is no BuildTemplate "${templateName(name)}" in namespace ${where}: \`elafros templates list\` shows which there are`;
}

interface Parts {
  steps: readonly Step[];
  volumes: readonly Volume[];
  image?: string;
  baseImages: string[];
  notices: readonly string[];
}

/** Steps and volumes of its own, or the template's with its arguments put in. */
function partsOf(build: Build, template: BuildTemplate | undefined): Parts | { fault: string } {
  const { spec } = build;
  const own = spec.volumes ?? [];
  const argument = spec.template?.arguments?.find(({ name }) => name === imageParameter)?.value;
  if (template === undefined) {
    return withImage({ steps: spec.steps ?? [], volumes: own, baseImages: [], notices: [] }, build, argument);
  }
  const { values, unsatisfied, unused } = valuesOf(build, template);
  if (unsatisfied.length > 0) {
    const names = unsatisfied.map((name) => `"${name}"`).join(", ");
    return {
      fault: `UnsatisfiedParameter: BuildTemplate "${template.metadata.name}" needs ${names}, which has no default: add it to spec.template.arguments`,
    };
  }
  const steps = template.spec.steps.map((step) => substituteStep(step, values));
  // A Build's volume takes the place of the template's of that name.
  const names = new Set(own.map(({ name }) => name));
  const volumes = [...own, ...(template.spec.volumes ?? []).filter(({ name }) => !names.has(name))];
  const faults = validateSteps(steps, volumes, `BuildTemplate "${template.metadata.name}" spec.steps`);
  if (faults.length > 0) return { fault: faults.map(({ field, message }) => `${field}: ${message}`).join("; ") };
  const notice = template.metadata.annotations?.[noticeAnnotation] ?? "";
  const baseImages = (template.metadata.annotations?.[baseImagesAnnotation] ?? "")
    .split(",")
    .map((reference) => substitute(reference.trim(), values))
    .filter((reference) => reference !== "");
  return withImage(
    {
      steps,
      volumes,
      baseImages: [...new Set(baseImages)],
      notices: [
        ...(notice === "" ? [] : [notice]),
        ...unused.map(
          (name) =>
            `Argument "${name}" is not used: BuildTemplate "${template.metadata.name}" has no parameter of that name`,
        ),
      ],
    },
    build,
    values.get(imageParameter) ?? argument,
  );
}

/** The name that the image gets: the argument, else the promise of the Configuration. */
function withImage(parts: Parts, { metadata }: Build, argument: string | undefined): Parts | { fault: string } {
  const image = (argument ?? "") === "" ? metadata.annotations?.[buildImageAnnotation] : argument;
  if (image === undefined || image === "") return parts;
  const parsed = parseImage(image);
  if (parsed === undefined || parsed.digest !== undefined) {
    return { fault: `${imageParameter} ${imageWords}, without a digest: "${image.slice(0, 256)}" is not` };
  }
  return { ...parts, image };
}

function makeSource(from: Source, make: (step: Step, name: string) => StepSpec): BuildSource | undefined {
  const { git, gcs, custom } = from;
  if (git !== undefined) {
    const { url = "", commit = "", branch = "", tag = "", ref = "" } = git;
    const which = { commit, branch, tag, ref };
    return { type: "git", url, ...Object.fromEntries(Object.entries(which).filter(([, value]) => value !== "")) };
  }
  if (gcs !== undefined) return { type: gcs.type ?? "archive", location: gcs.location ?? "" };
  return custom === undefined ? undefined : { type: "custom", step: make(custom, sourceStep) };
}

interface StepInput {
  step: Step;
  name: string;
  build: Build;
  volumes: readonly Volume[];
  references: References;
}

function makeStep({ step, name, build, volumes, references }: StepInput): StepSpec {
  const env = makeEnv(step, { object: build, platform: new Map(), references });
  const namespace = build.metadata.namespace ?? "";
  const { command, args, workingDir = "" } = step;
  return {
    name,
    image: step.image,
    ...(command === undefined ? {} : { command: command.map((word) => expand(word, env)) }),
    ...(args === undefined ? {} : { args: args.map((word) => expand(word, env)) }),
    ...(workingDir === "" ? {} : { workingDir }),
    env: [...env].map(([variable, value]) => ({ name: variable, value })),
    security: makeSecurity(step),
    resources: makeStepResources(step),
    mounts: makeMounts({ volumeMounts: step.volumeMounts, volumes, namespace }, references),
  };
}

function makeStepResources(step: Step): StepSpec["resources"] {
  const requests = step.resources?.requests ?? {};
  return { ...makeResources(step), ...(Object.keys(requests).length === 0 ? {} : { requests }) };
}

/** Labels of the Pod that shows it. Pods with the Configuration's label are its instances. */
function labelsOf({ metadata }: Build): Record<string, string> {
  const { [configurationLabel]: _, ...labels } = metadata.labels ?? {};
  return { ...labels, [buildNameLabel]: metadata.name };
}

/** Builds of one Configuration share a cache. The namespace's uid is in its name: one that is made again under the name of another may be somebody else's. */
function cacheOf({ metadata }: Build, namespaceUid: string): { cache?: string } {
  const owner = metadata.ownerReferences?.find(
    ({ kind, controller }) => kind === "Configuration" && controller === true,
  );
  if (owner === undefined || metadata.labels?.[configurationLabel] !== owner.name || namespaceUid === "") return {};
  return { cache: `${namespaceUid}.${owner.name}` };
}
