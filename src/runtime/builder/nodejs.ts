/** Node.js apps: dependencies in a layer of their own, made anew only when the lock file changes; the result holds neither npm nor what only building needed. */
import { type NodeApp, nodeApp } from "../../lib/source/node-app.ts";
import type { PackageJson } from "../../lib/source/package-json.ts";
import type { SourceView } from "../../lib/source/view.ts";
import { type Installer, installerFor } from "./nodejs-install.ts";
import { startOf } from "./nodejs-start.ts";
import {
  type BuildPlan,
  type LanguageOptions,
  alwaysIgnored,
  execForm,
  instructions,
  runUser,
  runWithCache,
} from "./plan.ts";

/**
 * The plan for an app.
 * @throws with a sentence, where the source is no Node.js app
 */
export async function planNodejs(view: SourceView, options: LanguageOptions): Promise<BuildPlan> {
  const app = await appOf(view, options.entryPoint);
  const built = await buildStage(view, app.packageJson, options.buildBase);
  const start = startOf(app);
  return {
    dockerfile: instructions(
      ...built.lines,
      `FROM ${options.runBase}`,
      `ENV NODE_ENV=production${start.binaries ? " PATH=/app/node_modules/.bin:$PATH" : ""}`,
      "WORKDIR /app",
      `USER ${runUser}`,
      execForm("CMD", start.command),
      ...built.copy, // last, for what comes after a change is made anew
    ),
    files: built.files,
    ignore: nodeIgnored,
    buildArgs: {},
    notes: [...built.notes, ...start.notes],
  };
}

/** Besides what nobody needs: what is installed anew, and credentials of registries. */
export const nodeIgnored = [...alwaysIgnored, "**/node_modules", ".npmrc", "npm-debug.log*"];

async function appOf(view: SourceView, entryPoint: string | undefined): Promise<NodeApp> {
  const app = await nodeApp(view);
  if (entryPoint !== undefined) {
    if (!view.files.includes(entryPoint) && app?.packageJson?.scripts["build"] === undefined) {
      throw new Error(
        `Cannot find the entry point "${entryPoint}": there is no such file. Give a file of the source as _ENTRY_POINT`,
      );
    }
    return { why: entryPoint, packageJson: app?.packageJson, start: { file: entryPoint } };
  }
  if (app !== undefined) return app;
  throw new Error(
    'Cannot tell how to start the Node.js app: there is no package.json with "start" or "main", and no server.js or index.js. Add one of them, or give a file as _ENTRY_POINT',
  );
}

export interface NodeStage {
  /** The stage `build`; none where nothing is installed or built. */
  lines: string[];
  /** Copies the app to the last stage's working directory, `/app`. */
  copy: string[];
  files: Record<string, string>;
  notes: string[];
}

/** The stage that installs and builds. */
export async function buildStage(
  view: SourceView,
  packageJson: PackageJson | undefined,
  buildBase: string,
): Promise<NodeStage> {
  if (packageJson === undefined) return { lines: [], copy: ["COPY . ."], files: {}, notes: [] };
  const installer = await installerFor(view, packageJson);
  const own = await readOwn(view);
  const hasBuild = (packageJson.scripts["build"] ?? "").trim() !== "";
  const any =
    Object.keys({
      ...packageJson.dependencies,
      ...packageJson.devDependencies,
      ...asObject(own["optionalDependencies"]),
    }).length > 0;
  if (!any && !hasBuild && own["workspaces"] === undefined)
    return { lines: [], copy: ["COPY . ."], files: {}, notes: [] };
  const hooks = ["preinstall", "install", "postinstall", "prepare"].filter(
    (name) => packageJson.scripts[name] !== undefined,
  );
  const dev = hasBuild || hooks.length > 0;
  const whole = needsWhole(own, hooks);
  const files = whole
    ? await registrySettings(view)
    : { ...(await registrySettings(view)), ...(await installFiles(view, own, installer)) };
  // Credentials of registries are no part of the result.
  const install = runWithCache(installer.cache, `${installer.install(dev)}${whole && !dev ? " && rm -f .npmrc" : ""}`);
  const lines = [
    `FROM ${buildBase} AS build`,
    "ARG NODE_EXTRA_CA_CERTS",
    "ARG npm_config_update_notifier=false",
    installer.setup === undefined ? undefined : runWithCache("/root/.npm", installer.setup),
    "WORKDIR /app",
    ...(whole ? ["COPY . ."] : []),
    Object.keys(files).length > 0 ? "COPY --from=elafros install/ ./" : undefined,
    any || whole ? install : undefined,
    ...(dev && !whole ? ["COPY . ."] : []),
    hasBuild ? `RUN ${runScript(installer, "build")}` : undefined,
    dev ? runWithCache(installer.cache, `${installer.prune} && rm -f .npmrc`) : undefined,
    "",
  ].filter((line) => line !== undefined);
  // What a build made may be anywhere; without one, the dependencies stay a layer of their own.
  const copy =
    dev || whole ? ["COPY --from=build /app ./"] : ["COPY --from=build /app/node_modules ./node_modules", "COPY . ."];
  return { lines, copy, files, notes: installer.notes };
}

function runScript(installer: Installer, name: string): string {
  const [manager = "npm"] = installer.prune.replace("CI=true ", "").split(" ");
  return `${manager} run ${name}`;
}

/** The package.json as it stands: what installing reads is more than what we read. */
async function readOwn(view: SourceView): Promise<Record<string, unknown>> {
  return JSON.parse(((await view.read("package.json")) ?? "{}").replace(/^\uFEFF/u, "")) as Record<string, unknown>;
}

/** Whether installing reads more than package.json and the lock file. */
function needsWhole(own: Record<string, unknown>, hooks: readonly string[]): boolean {
  const versions = ["dependencies", "devDependencies", "optionalDependencies"].flatMap((key) =>
    Object.values(asObject(own[key])),
  );
  return (
    hooks.length > 0 ||
    own["workspaces"] !== undefined ||
    own["patchedDependencies"] !== undefined ||
    versions.some((version) => /^(?:file:|link:|workspace:|\.|\/)/u.test(String(version)))
  );
}

const installFields = [
  "name",
  "version",
  "type",
  "engines",
  "os",
  "cpu",
  "packageManager",
  "dependencies",
  "devDependencies",
  "optionalDependencies",
  "peerDependencies",
  "peerDependenciesMeta",
  "bundleDependencies",
  "overrides",
  "resolutions",
  "pnpm",
] as const;

/** The lock file, and of package.json what installing reads: a changed script doesn't install again. */
async function installFiles(
  view: SourceView,
  own: Record<string, unknown>,
  installer: Installer,
): Promise<Record<string, string>> {
  const reduced = Object.fromEntries(
    installFields.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])),
  );
  const files: Record<string, string> = { "install/package.json": `${JSON.stringify(reduced, undefined, 2)}\n` };
  for (const name of [installer.lock, "pnpm-workspace.yaml"]) {
    const text = name === undefined ? undefined : await view.read(name);
    if (name !== undefined && text !== undefined) files[`install/${name}`] = text;
  }
  return files;
}

async function registrySettings(view: SourceView): Promise<Record<string, string>> {
  const text = await view.read(".npmrc");
  return text === undefined ? {} : { "install/.npmrc": text };
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
