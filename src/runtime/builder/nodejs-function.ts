/** Node.js functions: the source's function behind the Functions Framework for Node.js, which is installed in a layer of its own unless the source has it. */
import { nodeFunction } from "../../lib/source/node-function.ts";
import type { SourceView } from "../../lib/source/view.ts";
import { functionModule } from "./nodejs-function-module.ts";
import { buildStage, nodeIgnored } from "./nodejs.ts";
import {
  type BuildPlan,
  type LanguageOptions,
  envLine,
  execForm,
  instructions,
  runUser,
  runWithCache,
} from "./plan.ts";

export interface FunctionOptions extends LanguageOptions {
  /** How the function is called; absent: told from the source. */
  signature?: "http" | "cloudevent";
}

const framework = "@google-cloud/functions-framework";
const frameworkVersion = "5.0.5";

/**
 * The plan for a function.
 * @throws with a sentence, where the source holds no such function
 */
export async function planNodejsFunction(view: SourceView, options: FunctionOptions): Promise<BuildPlan> {
  const found = await nodeFunction(view, options.entryPoint);
  if (found === undefined) {
    throw new Error(
      'Cannot find the function: there is no index.js or function.js, and no package.json with "main". Name the function\'s file as "main"',
    );
  }
  const own = found.packageJson?.dependencies[framework] !== undefined;
  const built = await buildStage(view, found.packageJson, options.buildBase);
  // Node.js looks for modules up to the root: there the framework is found from /app, and an app's own goes first.
  const modules = own ? "/app/node_modules" : "/node_modules";
  const main = `${modules}/${framework}/build/src/main.js`;
  const file = `/app/${found.file}`;
  // A name that the framework doesn't take is registered under another.
  const target = /^[A-Za-z](?:[-\w]{0,61}[A-Za-z0-9])?$/u.test(found.entryPoint) ? found.entryPoint : "function";
  const source = found.registered ? file : "/function/main.mjs";
  return {
    dockerfile: instructions(
      ...(own ? [] : frameworkStage(options.buildBase)),
      ...built.lines,
      `FROM ${options.runBase}`,
      envLine({
        NODE_ENV: "production",
        ...(found.registered
          ? {}
          : wrapperEnv({ file, name: found.entryPoint, target, signature: options.signature ?? "" })),
      }),
      own ? undefined : "COPY --from=framework /framework/node_modules /node_modules",
      found.registered ? undefined : "COPY --from=elafros function/ /function/",
      "WORKDIR /app",
      `USER ${runUser}`,
      execForm("CMD", ["node", main, `--source=${source}`, `--target=${target}`]),
      ...built.copy,
    ),
    files: {
      ...built.files,
      ...(own
        ? {}
        : {
            "framework/package.json": `${JSON.stringify({ private: true, dependencies: { [framework]: frameworkVersion } })}\n`,
          }),
      ...(found.registered ? {} : { "function/main.mjs": functionModule }),
    },
    ignore: nodeIgnored,
    buildArgs: {},
    notes: [`Function ${found.entryPoint} of ${found.file}`, ...built.notes],
  };
}

function frameworkStage(buildBase: string): string[] {
  return [
    `FROM ${buildBase} AS framework`,
    "ARG NODE_EXTRA_CA_CERTS",
    "ARG npm_config_update_notifier=false",
    "WORKDIR /framework",
    "COPY --from=elafros framework/ ./",
    runWithCache("/root/.npm", "npm install --omit=dev --no-audit --no-fund"),
    "",
  ];
}

interface Wrapped {
  file: string;
  name: string;
  target: string;
  signature: string;
}

/** What the wrapping module reads. */
function wrapperEnv({ file, name, target, signature }: Wrapped): Record<string, string> {
  return {
    ELAFROS_FUNCTION_FILE: file,
    ELAFROS_FUNCTION_NAME: name,
    ELAFROS_FUNCTION_TARGET: target,
    ELAFROS_FUNCTION_SIGNATURE: signature,
  };
}
