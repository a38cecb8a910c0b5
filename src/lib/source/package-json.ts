/** What is read from an app's `package.json`. */
import type { SourceView } from "./view.ts";

export interface PackageJson {
  name?: string;
  main?: string;
  type?: string;
  packageManager?: string;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

/**
 * Reads `package.json`; undefined where there is none.
 * @throws where it is no JSON object, with a sentence for the user
 */
export async function readPackageJson(view: SourceView): Promise<PackageJson | undefined> {
  const text = await view.read("package.json");
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/u, "")); // npm reads past a byte order mark too
  } catch (error) {
    throw new Error(`Cannot read package.json: it is not valid JSON (${message(error)}). Mend it`, { cause: error });
  }
  if (!isObject(value)) throw new Error("Cannot read package.json: it must hold a JSON object. Mend it");
  const { name, main, type, packageManager } = value;
  return {
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof main === "string" ? { main } : {}),
    ...(typeof type === "string" ? { type } : {}),
    ...(typeof packageManager === "string" ? { packageManager } : {}),
    scripts: strings(value["scripts"]),
    dependencies: strings(value["dependencies"]),
    devDependencies: strings(value["devDependencies"]),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function strings(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
