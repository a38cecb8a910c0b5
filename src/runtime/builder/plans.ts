/** The plan for each language. */
import type { SourceView } from "../../lib/source/view.ts";
import { planGo, planGoFunction } from "./go.ts";
import { planNodejsFunction } from "./nodejs-function.ts";
import { planNodejs } from "./nodejs.ts";
import type { BuilderOptions, Language } from "./options.ts";
import { planDockerfile } from "./own-dockerfile.ts";
import type { BuildPlan } from "./plan.ts";
import { planPython, planPythonFunction } from "./python.ts";
import { planStatic } from "./static.ts";

type Planner = (view: SourceView, options: BuilderOptions) => BuildPlan | Promise<BuildPlan>;

export const planners: Record<Language, Planner> = {
  nodejs: planNodejs,
  "nodejs-fn": planNodejsFunction,
  python: planPython,
  "python-fn": planPythonFunction,
  go: planGo,
  "go-fn": planGoFunction,
  static: planStatic,
  dockerfile: planDockerfile,
};
