/** How a Node.js app's dependencies are installed, by which package manager. */
import { firstOf } from "../../lib/source/node-app.ts";
import type { PackageJson } from "../../lib/source/package-json.ts";
import type { SourceView } from "../../lib/source/view.ts";

export interface Installer {
  /** The lock file; absent: versions are chosen anew. */
  lock?: string;
  /** Installs the package manager itself. */
  setup?: string;
  /** Where it keeps what it downloaded. */
  cache: string;
  /** The command that installs; `dev`: with what only building needs. */
  install(dev: boolean): string;
  /** Removes what only building needed. */
  prune: string;
  notes: string[];
}

/** Versions that are installed where package.json's `packageManager` names none. */
const pnpmFor = [
  ["9.0", "10"],
  ["6.", "8"],
  ["5.", "7"],
] as const;

/**
 * The installer for a source's lock file: npm, pnpm or yarn 1.
 * @throws with a sentence, where the lock file is another's
 */
export async function installerFor(view: SourceView, packageJson: PackageJson): Promise<Installer> {
  const lock = firstOf(view, [
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
  ]);
  if (lock === "pnpm-lock.yaml") return pnpm((await view.read(lock)) ?? "", packageJson);
  if (lock === "yarn.lock") return yarn((await view.read(lock)) ?? "", packageJson);
  if (lock?.startsWith("bun.") === true) {
    throw new Error(
      `Cannot install from ${lock}: Bun is not supported. Add a package-lock.json (npm install), or a Dockerfile`,
    );
  }
  const flags = "--no-audit --no-fund";
  return {
    ...(lock === undefined ? {} : { lock }),
    cache: "/root/.npm",
    install: (dev) => `npm ${lock === undefined ? "install" : "ci"}${dev ? " --include=dev" : " --omit=dev"} ${flags}`,
    prune: `npm prune --omit=dev ${flags}`,
    notes:
      lock === undefined
        ? [
            "There is no package-lock.json: dependencies may differ from build to build. Commit one (npm install makes it)",
          ]
        : [],
  };
}

function pnpm(lock: string, packageJson: PackageJson): Installer {
  const format = /^lockfileVersion:\s*['"]?([\d.]+)/mu.exec(lock)?.[1] ?? "9.0";
  const version = versionOf(packageJson, "pnpm") ?? pnpmFor.find(([start]) => format.startsWith(start))?.[1] ?? "10";
  return {
    lock: "pnpm-lock.yaml",
    setup: `npm install --global --no-audit --no-fund pnpm@${version}`,
    cache: "/root/.local/share/pnpm/store",
    install: (dev) => `pnpm install --frozen-lockfile${dev ? " --prod=false" : " --prod"}`,
    prune: "CI=true pnpm prune --prod",
    notes: [],
  };
}

function yarn(lock: string, packageJson: PackageJson): Installer {
  const version = versionOf(packageJson, "yarn") ?? "1.22.22";
  if (!lock.includes("yarn lockfile v1") || !version.startsWith("1.")) {
    throw new Error(
      "Cannot install from yarn.lock: only that of yarn 1 is supported. Add a package-lock.json (npm install), use pnpm, or add a Dockerfile",
    );
  }
  return {
    lock: "yarn.lock",
    // Official images bring yarn along.
    setup: `npm install --global --force --no-audit --no-fund yarn@${version}`,
    cache: "/usr/local/share/.cache/yarn",
    install: (dev) => `yarn install --frozen-lockfile --non-interactive --production=${String(!dev)}`,
    prune: "yarn install --frozen-lockfile --non-interactive --production --ignore-scripts --prefer-offline",
    notes: [],
  };
}

/** The version that `packageManager` names (`pnpm@9.1.0+sha512.…`). */
function versionOf(packageJson: PackageJson, name: string): string | undefined {
  return new RegExp(`^${name}@(\\d+\\.\\d+\\.\\d+[\\w.-]*)`, "u").exec(packageJson.packageManager ?? "")?.[1];
}
