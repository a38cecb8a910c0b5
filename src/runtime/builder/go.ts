/** Go programs and functions: one static binary on a base that holds little else. */
import { type GoFunction, goApp, goFunction } from "../../lib/source/go-source.ts";
import type { SourceView } from "../../lib/source/view.ts";
import { goFunctionMain } from "./go-function-main.ts";
import type { FunctionOptions } from "./nodejs-function.ts";
import { type BuildPlan, type LanguageOptions, alwaysIgnored, execForm, instructions, runUser } from "./plan.ts";

const frameworkModule = "github.com/GoogleCloudPlatform/functions-framework-go@v1.9.2";
/** Modules and compiled packages are kept between builds. */
const caches = "--mount=type=cache,target=/cache";
const environment = [
  "ARG SSL_CERT_FILE",
  "ENV CGO_ENABLED=0 GOMODCACHE=/cache/mod GOCACHE=/cache/build GOFLAGS=-buildvcs=false",
  "WORKDIR /src",
];

/**
 * The plan for a program.
 * @throws with a sentence, where the source has no main package, or several
 */
export async function planGo(view: SourceView, options: LanguageOptions): Promise<BuildPlan> {
  const app = await goApp(view, options.entryPoint);
  if (app === undefined) {
    throw new Error("Cannot build the Go program: there is no go.mod and no .go file with package main. Add one");
  }
  const stage = buildStage(view, {
    buildBase: options.buildBase,
    module: app.module ? undefined : "app",
    main: app.main,
  });
  return plan(stage, options.runBase, []);
}

/**
 * The plan for a function: a generated program serves it, by net/http alone for HTTP, by the Functions Framework for Go for events.
 * @throws with a sentence, where the source holds no such function
 */
export async function planGoFunction(view: SourceView, options: FunctionOptions): Promise<BuildPlan> {
  const found = await goFunction(view, options.entryPoint);
  if (found === undefined)
    throw new Error("Cannot find the function: there is no .go file in the source's root. Put it there");
  const module = await moduleOf(view);
  const chosen: GoFunction = { ...found, ...(options.signature === undefined ? {} : { signature: options.signature }) };
  const inMain = found.package === "main";
  if (inMain && (await hasMain(view))) {
    throw new Error(
      `Cannot serve function "${found.entryPoint}": its package main has a func main of its own. Deploy it as an app, or rename the package`,
    );
  }
  // A function of package main is served from within it, for main can't be imported.
  const folder = inMain ? "." : "./elafros_function";
  const stage = buildStage(view, {
    buildBase: options.buildBase,
    module: module === undefined ? "function" : undefined,
    main: folder,
    files: {
      [inMain ? "elafros_function.go" : "elafros_function/main.go"]: goFunctionMain(
        chosen,
        inMain ? undefined : (module ?? "function"),
      ),
    },
    ...(chosen.signature === "cloudevent" ? { get: frameworkModule } : {}),
  });
  return plan(stage, options.runBase, [`Function ${found.entryPoint} of package ${found.package}`]);
}

interface Stage {
  lines: string[];
  files: Record<string, string>;
}

interface StageOptions {
  buildBase: string;
  /** Makes a go.mod of this name. */
  module: string | undefined;
  main: string;
  /** Added to the source. */
  files?: Record<string, string>;
  /** A module that is added to those of go.mod. */
  get?: string;
}

function buildStage(view: SourceView, { buildBase, module, main, files = {}, get }: StageOptions): Stage {
  const vendored = view.files.includes("vendor/modules.txt");
  const sums = ["go.mod", "go.sum"].filter((file) => view.files.includes(file));
  const added = Object.keys(files).length > 0;
  const lines = [
    `FROM ${buildBase} AS build`,
    ...environment,
    ...(sums.length === 2 && !vendored ? [`COPY ${sums.join(" ")} ./`, `RUN ${caches} go mod download`] : []),
    "COPY . .",
    added ? "COPY --from=elafros source/ ./" : undefined,
    module === undefined ? undefined : `RUN go mod init ${module}`,
    get === undefined ? undefined : `RUN ${caches} go get ${get}`,
    `RUN ${caches} go build -ldflags="-s -w" -o /out/app ${main}`,
    "",
  ].filter((line) => line !== undefined);
  return { lines, files: Object.fromEntries(Object.entries(files).map(([path, text]) => [`source/${path}`, text])) };
}

function plan(stage: Stage, runBase: string, notes: string[]): BuildPlan {
  return {
    dockerfile: instructions(
      ...stage.lines,
      `FROM ${runBase}`,
      "WORKDIR /app",
      `USER ${runUser}`,
      execForm("CMD", ["/app/app"]),
      "COPY --from=build /out/app /app/app",
    ),
    files: stage.files,
    ignore: alwaysIgnored,
    buildArgs: {},
    notes,
  };
}

async function moduleOf(view: SourceView): Promise<string | undefined> {
  return /^module\s+"?([^\s"]+)"?/mu.exec((await view.read("go.mod")) ?? "")?.[1];
}

async function hasMain(view: SourceView): Promise<boolean> {
  const files = view.files.filter((file) => file.endsWith(".go") && !file.endsWith("_test.go") && !file.includes("/"));
  const texts = await Promise.all(files.map((file) => view.read(file)));
  return texts.some((text) => /^func\s+main\s*\(\s*\)/mu.test(text ?? ""));
}
