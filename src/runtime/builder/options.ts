/** The arguments of `elafros-builder`. The shipped BuildTemplates are who calls it; an option that is empty counts as absent, for templates can't leave one out. */
import { parseArgs } from "node:util";

const languages = ["nodejs", "nodejs-fn", "python", "python-fn", "go", "go-fn", "static", "dockerfile"] as const;
export type Language = (typeof languages)[number];

export interface BuilderOptions {
  language: Language;
  /** The name that the image gets: tells whether it leaves the machine. */
  image: string;
  buildBase: string;
  runBase: string;
  entryPoint?: string;
  signature?: "http" | "cloudevent";
  fallback?: string;
  dockerfile?: string;
  target?: string;
  buildArgs: Record<string, string>;
  offeredArgs: Record<string, string>;
  /** Where the source came from, and its commit, for the image's labels. */
  source?: string;
  revision?: string;
  context: string;
  workspace: string;
  cache: string;
  /** Where the layers of base images are as blobs. */
  baseBlobs: string;
  output: string;
}

const text = { type: "string" } as const;
const known = {
  image: text,
  "build-base": text,
  "run-base": text,
  "entry-point": text,
  signature: text,
  fallback: text,
  dockerfile: text,
  target: text,
  "build-args": text,
  offer: { type: "string", multiple: true },
  source: text,
  revision: text,
  context: text,
  workspace: text,
  cache: text,
  "base-blobs": text,
  output: text,
} as const;

/**
 * Reads the arguments.
 * @throws with a sentence naming the option and its value
 */
export function parseOptions(args: readonly string[]): BuilderOptions {
  const { values, positionals } = parseArgs({ args: [...args], options: known, allowPositionals: true });
  const language = languages.find((each) => each === positionals[0]);
  if (language === undefined || positionals.length > 1) {
    throw new Error(`Cannot build "${positionals.join(" ")}": give one of ${languages.join(", ")}`);
  }
  const given = (name: "entry-point" | "signature" | "fallback" | "dockerfile" | "target" | "source" | "revision") => {
    const value = values[name]?.trim() ?? "";
    return value === "" ? undefined : value;
  };
  const need = (name: "build-base" | "run-base", used: boolean) => {
    const value = values[name]?.trim() ?? "";
    if (value === "" && used)
      throw new Error(
        `Cannot build ${language}: --${name} is missing. The template's _${name.toUpperCase().replace("-", "_")} names a base image`,
      );
    return value;
  };
  const optional = {
    entryPoint: given("entry-point"),
    signature: signature(given("signature")),
    fallback: given("fallback"),
    dockerfile: given("dockerfile"),
    target: given("target"),
    source: given("source"),
    revision: given("revision"),
  };
  return {
    language,
    image: values.image?.trim() ?? "",
    buildBase: need("build-base", language !== "static" && language !== "dockerfile"),
    runBase: need("run-base", language !== "dockerfile"),
    ...defined(optional),
    buildArgs: pairs(values["build-args"] ?? "", "_BUILD_ARGS"),
    offeredArgs: Object.assign({}, ...(values.offer ?? []).map((each) => pairs(each, "--offer"))) as Record<
      string,
      string
    >,
    context: values.context?.trim() || ".",
    workspace: values.workspace ?? "/workspace",
    cache: values.cache ?? "/builder/cache",
    baseBlobs: values["base-blobs"] ?? "/builder/bases/blobs",
    output: values.output ?? "/builder/image",
  };
}

function signature(value: string | undefined): "http" | "cloudevent" | undefined {
  if (value === undefined || value === "http") return value;
  if (value === "cloudevent" || value === "event") return "cloudevent";
  throw new Error(`Cannot use signature "${value}": _SIGNATURE is http, cloudevent, or empty`);
}

/** `NAME=value` pairs, one a line; on one line, between blanks. */
function pairs(value: string, option: string): Record<string, string> {
  const lines = value.trim().split(value.trim().includes("\n") ? /\s*\n\s*/u : /\s+/u);
  return Object.fromEntries(
    lines
      .filter((line) => line !== "")
      .map((line) => {
        const [, name, rest = ""] = /^(\w+)=(.*)$/u.exec(line) ?? [];
        if (name === undefined) throw new Error(`Cannot read "${line}" of ${option}: write NAME=value, one a line`);
        return [name, rest];
      }),
  );
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends Record<string, unknown>>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}
