/** The BuildTemplates that come with the platform, rendered from the base images. One step each: `elafros-builder` in the tools image. */
import { sharedTemplates } from "../../api/build-names.ts";
import type { BuildTemplate } from "../../api/build-template.ts";
import { baseImagesAnnotation, noticeAnnotation } from "../../api/labels.ts";
import { toolsImage } from "../../runtime/builds.ts";
import type { BaseImages } from "./base-images.ts";

/** Label on what is the platform's: it is made anew where somebody changes or deletes it. */
export const shippedLabel = "build.dev/shipped";

type Parameters = NonNullable<BuildTemplate["spec"]["parameters"]>;

interface Language {
  /** The builder's word for it. */
  language: string;
  /** What it builds, for people. */
  description: string;
  buildBase?: keyof BaseImages;
  runBase?: keyof BaseImages;
  /** Some sources alone need the image to build with: it isn't brought along for all. */
  seldomBuilds?: boolean;
  /** Parameters besides those that all have: their name, description and the builder's option. */
  options: readonly (readonly [name: string, option: string, description: string])[];
}

const context = ["_CONTEXT", "context", "The folder of the source that is built; empty: all of it"] as const;
const entryPoint = (description: string) => ["_ENTRY_POINT", "entry-point", description] as const;
const signature = [
  "_SIGNATURE",
  "signature",
  "How the function is called: http or cloudevent; empty: told from the source",
] as const;

const languages = {
  dockerfile: {
    language: "dockerfile",
    description: "A Dockerfile of the source's own",
    options: [
      ["_CONTEXT", "context", "The build context, a folder of the source; empty: all of it"],
      ["_DOCKERFILE", "dockerfile", "The Dockerfile's path in the context; empty: Dockerfile or Containerfile"],
      ["_TARGET", "target", "The stage that is built; empty: the last one"],
      ["_BUILD_ARGS", "build-args", "Build arguments, NAME=value, one a line"],
    ],
  },
  nodejs: {
    language: "nodejs",
    description: "A Node.js app",
    buildBase: "node-build",
    runBase: "node-run",
    options: [
      entryPoint("The file that Node.js runs; empty: package.json's start script, main, server.js or index.js"),
      context,
    ],
  },
  python: {
    language: "python",
    description: "A Python app",
    buildBase: "python-build",
    runBase: "python-run",
    options: [entryPoint("The file that Python runs, or module:app; empty: Procfile, main.py, app.py"), context],
  },
  go: {
    language: "go",
    description: "A Go program",
    buildBase: "go-build",
    runBase: "go-run",
    options: [entryPoint("The folder of package main; empty: the root, or the only one"), context],
  },
  static: {
    language: "static",
    description: "A static site, served by nginx; where package.json has a build script, what that makes",
    buildBase: "node-build",
    seldomBuilds: true,
    runBase: "static-run",
    options: [
      entryPoint("The folder that is served; empty: the one with index.html: the root, public or dist"),
      ["_FALLBACK", "fallback", "The page that is answered where no file is, such as /index.html; empty: 404"],
      context,
    ],
  },
  "nodejs-fn": {
    language: "nodejs-fn",
    description: "A Node.js function, behind the Functions Framework",
    buildBase: "node-build",
    runBase: "node-run",
    options: [entryPoint("The exported function; empty: the only one"), signature, context],
  },
  "python-fn": {
    language: "python-fn",
    description: "A Python function, behind the Functions Framework",
    buildBase: "python-build",
    runBase: "python-run",
    options: [entryPoint("The function in main.py; empty: the only one"), signature, context],
  },
  "go-fn": {
    language: "go-fn",
    description: "A Go function",
    buildBase: "go-build",
    runBase: "go-run",
    options: [entryPoint("The exported function, in any case of letters; empty: the only one"), signature, context],
  },
} as const satisfies Record<string, Language>;

interface Shipped {
  name: string;
  of: keyof typeof languages;
  /** Told by an Event of each build. */
  notice?: string;
}

const shipped: readonly Shipped[] = [
  { name: "dockerfile", of: "dockerfile" },
  { name: "nodejs-24", of: "nodejs" },
  { name: "python-3", of: "python" },
  { name: "go-1", of: "go" },
  { name: "static", of: "static" },
  { name: "nodejs-24-fn", of: "nodejs-fn" },
  { name: "python-3-fn", of: "python-fn" },
  { name: "go-1-fn", of: "go-fn" },
  // Without a version: the newest that there is.
  ...(["nodejs", "python", "go", "nodejs-fn", "python-fn", "go-fn"] as const).map((name) => ({ name, of: name })),
  // Of old: the nearest version that is still looked after.
  {
    name: "nodejs-8-9-4",
    of: "nodejs",
    notice: "Node.js 8.9.4 is out of support: nodejs-24 is used, the nearest version that isn't",
  },
  {
    name: "go-1-9-fn",
    of: "go-fn",
    notice: "Go 1.9 is out of support: go-1-fn is used, the nearest version that isn't",
  },
];

/** All shipped templates. */
export function makeTemplates(images: BaseImages): BuildTemplate[] {
  return shipped.map((each) => makeTemplate(each, images));
}

function makeTemplate({ name, of, notice }: Shipped, images: BaseImages): BuildTemplate {
  const language: Language = languages[of];
  const bases = basesOf(language, images);
  const parameters: Parameters = [
    { name: "_IMAGE", description: "The image's name", default: "" },
    ...bases.map(({ parameter, image, description }) => ({ name: parameter, description, default: image })),
    ...language.options.map(([parameter, , description]) => ({ name: parameter, description, default: "" })),
  ];
  const needed = bases.filter(({ option }) => option === "run-base" || language.seldomBuilds !== true);
  const annotations = {
    "kubernetes.io/description": language.description,
    ...(needed.length === 0
      ? {}
      : { [baseImagesAnnotation]: needed.map(({ parameter }) => `\${${parameter}}`).join(",") }),
    ...(notice === undefined ? {} : { [noticeAnnotation]: notice }),
  };
  const args = [
    language.language,
    "--image=${_IMAGE}",
    ...bases.map(({ option, parameter }) => `--${option}=\${${parameter}}`),
    ...language.options.map(([parameter, option]) => `--${option}=\${${parameter}}`),
    ...(of === "dockerfile" ? offers(images) : []),
  ];
  return {
    apiVersion: "build.dev/v1alpha1",
    kind: "BuildTemplate",
    metadata: { name, namespace: sharedTemplates, labels: { [shippedLabel]: "true" }, annotations },
    spec: { parameters, steps: [{ name: "build", image: toolsImage, command: ["elafros-builder"], args }] },
  };
}

interface Base {
  parameter: string;
  option: string;
  image: string;
  description: string;
}

function basesOf({ buildBase, runBase }: Language, images: BaseImages): Base[] {
  const build = { parameter: "_BUILD_BASE", option: "build-base", description: "The image that it is built with" };
  const run = { parameter: "_RUN_BASE", option: "run-base", description: "The image that it runs on" };
  return [
    ...(buildBase === undefined ? [] : [{ ...build, image: images[buildBase] }]),
    ...(runBase === undefined ? [] : [{ ...run, image: images[runBase] }]),
  ];
}

/** The base images for a Dockerfile that asks for them: `ARG NODE_RUN`. */
function offers(images: BaseImages): string[] {
  return Object.entries(images)
    .filter(([key]) => /^[a-z][a-z0-9-]*$/u.test(key))
    .map(([key, image]) => `--offer=${key.toUpperCase().replaceAll("-", "_")}=${image}`);
}
