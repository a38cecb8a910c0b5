/** The registry credentials of whoever runs a command: from the files that podman and docker write, and from docker's credential helpers. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { authsIn } from "../../reconcilers/revision/pull-secrets.ts";
import type { RegistryLogin } from "../../runtime/registry/login.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface MachineAuthOptions {
  env: Env;
  cwd: string;
  /** Read instead of all others. */
  authFile?: string | undefined;
}

interface AuthFile {
  auths?: unknown;
  credsStore?: unknown;
  credHelpers?: Record<string, unknown>;
}

const helperMs = 60_000;

/** First match first (containers-auth.json(5)), then docker's. */
function filesOf({ env, cwd, authFile }: MachineAuthOptions): string[] {
  if (authFile !== undefined) return [resolve(cwd, authFile)];
  const home = env["HOME"] ?? "/root";
  const named = env["REGISTRY_AUTH_FILE"];
  const runtime = env["XDG_RUNTIME_DIR"];
  return [
    ...(named === undefined || named === "" ? [] : [named]),
    runtime === undefined ? "/run/containers/0/auth.json" : join(runtime, "containers/auth.json"),
    join(env["XDG_CONFIG_HOME"] ?? join(home, ".config"), "containers/auth.json"),
    join(env["DOCKER_CONFIG"] ?? join(home, ".docker"), "config.json"),
  ];
}

/**
 * The credentials that may apply to images of a registry.
 * @throws Error that names the file of `authFile`, where that can't be read
 */
export async function machineAuths(registry: string, options: MachineAuthOptions): Promise<RegistryLogin[]> {
  const found: RegistryLogin[] = [];
  for (const path of filesOf(options)) {
    const file = await readAuthFile(path, options.authFile !== undefined);
    if (file === undefined) continue;
    found.push(...loginsIn(file.auths));
    const key = registry === "docker.io" ? "https://index.docker.io/v1/" : registry;
    const helper = file.credHelpers?.[registry] ?? file.credHelpers?.[key] ?? file.credsStore;
    const helped = typeof helper === "string" ? await askHelper(helper, key, options.env) : undefined;
    if (helped !== undefined) found.push({ registry, ...helped });
  }
  return found;
}

/** Those of a file. `docker login` keeps an identity token beside a user's name without a password. */
function loginsIn(auths: unknown): RegistryLogin[] {
  if (typeof auths !== "object" || auths === null) return [];
  return Object.entries(auths as Record<string, unknown>).flatMap(([key, entry]) => {
    const { identitytoken: token } = (entry ?? {}) as { identitytoken?: unknown };
    const logins = authsIn({ [key]: entry });
    return typeof token === "string" && token !== "" ? logins.map((one) => ({ ...one, identityToken: token })) : logins;
  });
}

async function readAuthFile(path: string, required: boolean): Promise<AuthFile | undefined> {
  try {
    const value = JSON.parse(await readFile(path, "utf8")) as unknown;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch (error) {
    if (!required) return undefined; // absent or broken: the registry says what is missing
    throw new Error(`Cannot read --auth-file "${path}": ${(error as Error).message}`, { cause: error });
  }
}

/** Runs `docker-credential-NAME get`, which reads the registry's name and prints JSON; undefined where it has nothing for it. */
function askHelper(name: string, key: string, env: Env): Promise<Omit<RegistryLogin, "registry"> | undefined> {
  if (!/^[\w.-]+$/u.test(name)) return Promise.resolve(undefined);
  return new Promise((answer) => {
    const child = execFile(`docker-credential-${name}`, ["get"], { env, timeout: helperMs }, (error, stdout) => {
      answer(error === null ? credentials(stdout) : undefined);
    });
    child.stdin?.on("error", () => {}); // it may end without reading
    child.stdin?.end(key);
  });
}

function credentials(text: string): Omit<RegistryLogin, "registry"> | undefined {
  try {
    const { Username: username, Secret: password } = JSON.parse(text) as Record<string, unknown>;
    if (typeof username !== "string" || typeof password !== "string") return undefined;
    // "<token>" marks an identity token, which is no password.
    return username === "<token>" ? { username, password: "", identityToken: password } : { username, password };
  } catch {
    return undefined;
  }
}
