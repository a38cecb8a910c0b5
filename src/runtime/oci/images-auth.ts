/** Credentials for one call of a tool: an auth file of its own, readable by root alone, gone afterwards. */
import { randomBytes } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { authKey } from "../registry/auths.ts";
import type { RegistryAuth } from "../workloads.ts";
import { isMissing } from "./files.ts";

interface AuthFile {
  auths: Record<string, { auth?: string }>;
  [key: string]: unknown;
}

/** Where the tools look for the machine's credentials, first match first (containers-auth.json(5)). */
function machineFiles(): string[] {
  const named = process.env["REGISTRY_AUTH_FILE"];
  const runtime = process.env["XDG_RUNTIME_DIR"] ?? "/run/containers/0";
  const config = process.env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config");
  return [
    ...(named === undefined ? [] : [named]),
    runtime === "/run/containers/0" ? join(runtime, "auth.json") : join(runtime, "containers/auth.json"),
    join(config, "containers/auth.json"),
    join(process.env["DOCKER_CONFIG"] ?? join(homedir(), ".docker"), "config.json"),
  ];
}

async function readAuthFile(file: string): Promise<AuthFile | undefined> {
  try {
    const value = JSON.parse(await readFile(file, "utf8")) as Partial<AuthFile> | null;
    return value === null || typeof value !== "object" ? undefined : { ...value, auths: value.auths ?? {} };
  } catch {
    return undefined; // absent or broken: the tools' own message tells, when they need it
  }
}

/**
 * Whether the machine may have credentials of its own for a registry, or for a part of it: which of them apply, and what helpers give, is for the tools
 * to say.
 */
export async function mayHaveMachineAuth(registry: string): Promise<boolean> {
  const checked = [...machineFiles(), join(homedir(), ".dockercfg")].map(async (file) => {
    try {
      const value = JSON.parse(await readFile(file, "utf8")) as Partial<AuthFile>;
      const { auths, ...more } = value;
      if (Object.keys(more).length > 0) return true;
      return Object.keys(auths ?? {}).some((key) => `${authKey(key)}/`.startsWith(`${registry}/`));
    } catch (error) {
      return !isMissing(error);
    }
  });
  return (await Promise.all(checked)).some((one) => one);
}

/**
 * Calls `use` with the path of an auth file that holds the machine's credentials with `auth` over them, or with undefined where
 * `auth` is undefined: the tools then read the machine's own files.
 * @param machine false: the file has nothing of the machine's
 */
export async function withAuthFile<T>(
  dir: string,
  auth: RegistryAuth | undefined,
  use: (authFile: string | undefined) => Promise<T>,
  machine = true,
): Promise<T> {
  if (auth === undefined && machine) {
    return use(undefined);
  }
  const merged: AuthFile = { auths: {} };
  for (const file of machine ? machineFiles() : []) {
    const found = await readAuthFile(file);
    if (found !== undefined) {
      const auths = { ...found.auths, ...merged.auths };
      Object.assign(merged, { ...found, ...merged, auths });
    }
  }
  if (auth !== undefined) {
    merged.auths[authKey(auth.registry)] = {
      auth: Buffer.from(`${auth.username}:${auth.password}`, "utf8").toString("base64"),
    };
  }
  const path = join(dir, `auth-${randomBytes(8).toString("hex")}.json`);
  try {
    await writeFile(path, JSON.stringify(merged), { mode: 0o600, flag: "wx" });
    return await use(path);
  } finally {
    await rm(path, { force: true });
  }
}
