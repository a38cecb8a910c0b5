/** Python apps and functions: dependencies in a virtual environment, without pip in the result. */
import { type PythonApp, pythonApp } from "../../lib/source/python-app.ts";
import { pythonFunction } from "../../lib/source/python-function.ts";
import type { SourceView } from "../../lib/source/view.ts";
import type { FunctionOptions } from "./nodejs-function.ts";
import {
  type BuildPlan,
  type LanguageOptions,
  alwaysIgnored,
  envLine,
  execForm,
  instructions,
  runUser,
  runWithCache,
} from "./plan.ts";

const ignore = [
  ...alwaysIgnored,
  "**/__pycache__",
  "**/*.pyc",
  ".venv",
  "venv",
  ".pytest_cache",
  ".mypy_cache",
  "pip.conf",
];
const frameworkVersion = "3.9.2";
const pip = "/venv/bin/pip install --disable-pip-version-check --no-input";
const pipCache = "/root/.cache/pip";

/**
 * The plan for an app.
 * @throws with a sentence, where the source is no Python app, or nothing says how it is started
 */
export async function planPython(view: SourceView, options: LanguageOptions): Promise<BuildPlan> {
  const app = await pythonApp(view, options.entryPoint);
  if (app === undefined) {
    throw new Error(
      "Cannot tell how to start the Python app: there is no requirements.txt, pyproject.toml, main.py or app.py. Add one of them, or give a file as _ENTRY_POINT",
    );
  }
  const built = await buildStage(view, { requirements: app.requirements, buildBase: options.buildBase });
  return plan(built, [
    ...lastStage(options.runBase, built),
    `USER ${runUser}`,
    execForm("CMD", command(app)),
    ...(built.lines.length === 0 ? [] : ["COPY --from=build /venv /venv"]),
    "COPY . .",
  ]);
}

/**
 * The plan for a function: behind the Functions Framework for Python, which is installed in a layer of its own.
 * @throws with a sentence, where the source holds no such function
 */
export async function planPythonFunction(view: SourceView, options: FunctionOptions): Promise<BuildPlan> {
  const found = await pythonFunction(view, options.entryPoint);
  if (found === undefined) throw new Error("Cannot find the function: there is no main.py. Put it there");
  const requirements = view.files.includes("requirements.txt") ? "requirements.txt" : undefined;
  const built = await buildStage(view, {
    requirements,
    buildBase: options.buildBase,
    first: `functions-framework==${frameworkVersion}`,
  });
  const made = plan(built, [
    ...lastStage(options.runBase, built),
    envLine({
      FUNCTION_SOURCE: "/app/main.py",
      FUNCTION_TARGET: found.entryPoint,
      FUNCTION_SIGNATURE_TYPE: options.signature ?? found.signature,
    }),
    `USER ${runUser}`,
    execForm("CMD", ["functions-framework"]),
    "COPY --from=build /venv /venv",
    "COPY . .",
  ]);
  return { ...made, notes: [`Function ${found.entryPoint} of main.py`, ...made.notes] };
}

interface PythonStage {
  lines: string[];
  files: Record<string, string>;
  notes: string[];
}

interface StageOptions {
  requirements: PythonApp["requirements"];
  buildBase: string;
  /** Installed before the source's own dependencies. */
  first?: string;
}

/** The stage that installs; none where nothing is installed. */
async function buildStage(view: SourceView, { requirements, buildBase, first }: StageOptions): Promise<PythonStage> {
  const text = requirements === undefined ? "" : ((await view.read(requirements)) ?? "");
  const any =
    requirements === "pyproject.toml"
      ? /^\s*\[(?:project|tool\.poetry|build-system)\]/mu.test(text)
      : /^\s*[^#\s]/mu.test(text);
  if (!any && first === undefined) return { lines: [], files: {}, notes: [] };
  // A list that names other files, and a project, are installed from the whole source.
  const whole =
    requirements === "pyproject.toml" ||
    /^\s*(?:-[rce]\b|--(?:requirement|constraint|editable)|\.|\/|file:)/mu.test(text);
  const settings = await view.read("pip.conf");
  const files: Record<string, string> = {
    ...(any && !whole ? { "install/requirements.txt": text } : {}),
    ...(settings === undefined ? {} : { "settings/pip.conf": settings }),
  };
  const what = requirements === "pyproject.toml" ? "." : "-r requirements.txt";
  const lines = [
    `FROM ${buildBase} AS build`,
    "ARG PIP_CERT",
    "RUN python3 -m venv /venv",
    settings === undefined ? undefined : "COPY --from=elafros settings/pip.conf /etc/pip.conf",
    first === undefined ? undefined : runWithCache(pipCache, `${pip} ${first}`),
    "WORKDIR /app",
    any ? (whole ? "COPY . ." : "COPY --from=elafros install/ ./") : undefined,
    any ? runWithCache(pipCache, `${pip} ${what}`) : undefined,
    "RUN /venv/bin/pip uninstall --yes --quiet pip",
    "",
  ].filter((line) => line !== undefined);
  const loose =
    requirements === "requirements.txt" &&
    text.split("\n").some((line) => /^\s*[A-Za-z]/u.test(line) && !/==|@/u.test(line));
  return {
    lines,
    files,
    notes: loose
      ? ["requirements.txt names dependencies without a version (==): they may differ from build to build"]
      : [],
  };
}

function lastStage(runBase: string, built: PythonStage): string[] {
  return [
    ...built.lines,
    `FROM ${runBase}`,
    `ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1${built.lines.length === 0 ? "" : " PATH=/venv/bin:$PATH"}`,
    "WORKDIR /app",
  ];
}

function plan(built: PythonStage, lines: string[]): BuildPlan {
  return { dockerfile: instructions(...lines), files: built.files, ignore, buildArgs: {}, notes: built.notes };
}

function command({ start }: PythonApp): string[] {
  if ("file" in start) return ["python3", start.file];
  if ("line" in start) return ["sh", "-c", /[;|&\n]|^\w+=/u.test(start.line) ? start.line : `exec ${start.line}`];
  // gunicorn takes PORT by itself.
  if (start.server === "gunicorn") return ["gunicorn", start.app];
  return ["sh", "-c", `exec uvicorn --host 0.0.0.0 --port "\${PORT:-8080}" '${start.app}'`];
}
