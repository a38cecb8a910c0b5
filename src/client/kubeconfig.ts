/**
 * Kubeconfig: which server to talk to, as whom. Reads the files that `kubectl` reads, merges them as it does (the first file
 * that names a cluster, user, context or current context wins), and resolves one context to a Connection.
 */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type ExecConfig, execCredential } from "./kubeconfig-exec.ts";

/** Everything that a client needs to reach a server. Certificates and keys are PEM. */
export interface Connection {
  /** `https://host:port`, perhaps with a path prefix. */
  server: string;
  ca?: string;
  cert?: string;
  key?: string;
  /** Reads the CA anew where it may change: asked when the server's certificate isn't trusted. */
  renewCa?: () => Promise<string>;
  /** Called for each request where the client certificate may change: a plugin's, and one in files. */
  certificate?: () => Promise<{ cert?: string; key?: string }>;
  /** Called for each request: tokens in files and from plugins are renewed. `refused` is one that the server didn't take. */
  token?: (refused?: string) => Promise<string>;
  username?: string;
  password?: string;
  /** Accepts any server certificate. */
  insecure: boolean;
  /** Expected in the certificate instead of the host of `server`. */
  tlsServerName?: string;
  /** The context's namespace, else `default`. */
  namespace: string;
  /** The context's name, which is the region. */
  context: string;
  /** The files that this came from, for messages. */
  source: string;
}

/** A kubeconfig can't be read or used; the message says which file, which field, and the way out. */
export class KubeconfigError extends Error {
  override name = "KubeconfigError";
}

interface Cluster {
  server?: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
}

interface User {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  exec?: ExecConfig;
  "auth-provider"?: unknown;
}

interface Context {
  cluster?: string;
  user?: string;
  namespace?: string;
}

/** A kubeconfig after merging. Relative paths in it are absolute. */
export interface Kubeconfig {
  source: string;
  currentContext: string | undefined;
  clusters: ReadonlyMap<string, Cluster>;
  users: ReadonlyMap<string, User>;
  contexts: ReadonlyMap<string, Context>;
}

export interface KubeconfigSources {
  /** `--kubeconfig`: this file alone, which must exist. */
  path?: string | undefined;
  /** The process environment, for `KUBECONFIG`. */
  env: Readonly<Record<string, string | undefined>>;
  /** Read where neither is given. */
  fallback: string;
  cwd: string;
}

/** Finds, reads and merges the kubeconfig files. Throws KubeconfigError where there is none. */
export async function loadKubeconfig(sources: KubeconfigSources): Promise<Kubeconfig> {
  const list = (sources.env["KUBECONFIG"] ?? "").split(":").filter((path) => path !== "");
  const explicit = sources.path !== undefined;
  const paths = sources.path !== undefined ? [sources.path] : list.length > 0 ? list : [sources.fallback];
  const parts: { path: string; file: RawConfig }[] = [];
  for (const relative of paths) {
    const path = resolve(sources.cwd, relative);
    const text = await readText(path, explicit || paths.length === 1);
    if (text !== undefined) parts.push({ path, file: await parseRaw(path, text) });
  }
  if (parts.length === 0) {
    throw new KubeconfigError(
      `No file named by KUBECONFIG exists (${list.join(", ")}): unset it to use "${sources.fallback}", or give --kubeconfig`,
    );
  }
  return merge(parts);
}

async function readText(path: string, required: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "ENOENT" && !required) return undefined;
    if (code === "ENOENT") {
      throw new KubeconfigError(
        `Cannot find kubeconfig "${path}": start Elafros on this machine with 'sudo elafros up', or name another file with --kubeconfig or KUBECONFIG`,
        { cause: error },
      );
    }
    if (code === "EACCES" || code === "EPERM") {
      throw new KubeconfigError(
        `Cannot read kubeconfig "${path}": permission denied: run as the user who owns it (with sudo), or have an administrator make you one with 'elafros kubeconfig --user NAME --server https://HOST:6443'`,
        { cause: error },
      );
    }
    throw new KubeconfigError(`Cannot read kubeconfig "${path}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}

interface Named<T> {
  name?: unknown;
  value: T;
}

interface RawConfig {
  currentContext: string | undefined;
  clusters: Named<Cluster>[];
  users: Named<User>[];
  contexts: Named<Context>[];
}

async function parseRaw(path: string, text: string): Promise<RawConfig> {
  let value: unknown;
  try {
    // JSON is YAML too, and reading it needs no YAML parser.
    value = text.trimStart().startsWith("{") ? JSON.parse(text) : (await import("yaml")).parse(text);
  } catch (error) {
    throw new KubeconfigError(`Cannot parse kubeconfig "${path}": ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== "object" || value === null) {
    throw new KubeconfigError(`Cannot use kubeconfig "${path}": it is empty or no mapping`);
  }
  const root = value as Record<string, unknown>;
  const current = root["current-context"];
  return {
    currentContext: typeof current === "string" && current !== "" ? current : undefined,
    clusters: named<Cluster>(root["clusters"], "cluster"),
    users: named<User>(root["users"], "user"),
    contexts: named<Context>(root["contexts"], "context"),
  };
}

function named<T>(list: unknown, field: string): Named<T>[] {
  if (!Array.isArray(list)) return [];
  return list.map((entry: Record<string, unknown>) => ({ name: entry["name"], value: (entry[field] ?? {}) as T }));
}

function merge(parts: readonly { path: string; file: RawConfig }[]): Kubeconfig {
  const clusters = new Map<string, Cluster>();
  const users = new Map<string, User>();
  const contexts = new Map<string, Context>();
  let currentContext: string | undefined;
  for (const { path, file } of parts) {
    const base = dirname(path);
    currentContext ??= file.currentContext;
    keepFirst(clusters, file.clusters, (cluster) => absolute(cluster, ["certificate-authority"], base));
    keepFirst(users, file.users, (user) =>
      absolutePlugin(absolute(user, ["client-certificate", "client-key", "tokenFile"], base), base),
    );
    keepFirst(contexts, file.contexts, (context) => context);
  }
  return { source: parts.map((part) => part.path).join(", "), currentContext, clusters, users, contexts };
}

function keepFirst<T>(map: Map<string, T>, entries: readonly Named<T>[], change: (value: T) => T): void {
  for (const { name, value } of entries) {
    if (typeof name === "string" && !map.has(name)) map.set(name, change(value));
  }
}

function absolute<T extends object>(value: T, fields: readonly (keyof T)[], base: string): T {
  const copy = { ...value };
  for (const field of fields) {
    const path = copy[field];
    if (typeof path === "string" && path !== "") copy[field] = join(resolve(base, path)) as T[keyof T];
  }
  return copy;
}

/** A plugin that is named by a path is found from the kubeconfig, as with kubectl; one that is named alone, by PATH. */
function absolutePlugin(user: User, base: string): User {
  const { exec } = user;
  if (exec?.command?.includes("/") !== true) return user;
  return { ...user, exec: { ...exec, command: resolve(base, exec.command) } };
}

/**
 * The connection of one context.
 * @param region the context's name; the current context where absent
 */
export async function resolveConnection(config: Kubeconfig, region?: string): Promise<Connection> {
  const name = region ?? config.currentContext ?? onlyContext(config);
  const context = config.contexts.get(name);
  if (context === undefined) {
    const known = [...config.contexts.keys()];
    const what = region === undefined ? `Current context "${name}"` : `Region "${name}"`;
    const there = known.length === 0 ? "it has no contexts" : `it has ${known.map((one) => `"${one}"`).join(", ")}`;
    throw new KubeconfigError(`${what} is not a context of kubeconfig "${config.source}": ${there}`);
  }
  const cluster = lookUp(config.clusters, context.cluster, { what: "cluster", context: name, source: config.source });
  const user =
    context.user === undefined || context.user === ""
      ? {}
      : lookUp(config.users, context.user, { what: "user", context: name, source: config.source });
  if (cluster.server === undefined || !URL.canParse(cluster.server)) {
    throw new KubeconfigError(
      `Cluster "${context.cluster ?? ""}" in kubeconfig "${config.source}" has no usable server: "${cluster.server ?? ""}" should look like https://127.0.0.1:6443`,
    );
  }
  const connection: Connection = {
    server: cluster.server.replace(/\/+$/, ""),
    insecure: cluster["insecure-skip-tls-verify"] === true,
    namespace: context.namespace ?? "default",
    context: name,
    source: config.source,
  };
  if (cluster["tls-server-name"] !== undefined) connection.tlsServerName = cluster["tls-server-name"];
  const ca = await pem(cluster["certificate-authority-data"], cluster["certificate-authority"], config.source);
  if (ca !== undefined) connection.ca = ca;
  const caFile = cluster["certificate-authority"] ?? "";
  if (caFile !== "" && (cluster["certificate-authority-data"] ?? "") === "")
    connection.renewCa = () => readCredential(caFile, config.source);
  await addCredentials(connection, user, config.source);
  return connection;
}

function onlyContext(config: Kubeconfig): string {
  const [only, ...others] = config.contexts.keys();
  if (only !== undefined && others.length === 0) return only;
  throw new KubeconfigError(
    `Kubeconfig "${config.source}" has no current context: choose one with --region${only === undefined ? "" : ` (${[...config.contexts.keys()].join(", ")})`}`,
  );
}

function lookUp<T>(
  map: ReadonlyMap<string, T>,
  name: string | undefined,
  where: { what: string; context: string; source: string },
): T {
  const value = map.get(name ?? "");
  if (value === undefined) {
    throw new KubeconfigError(
      `Context "${where.context}" names ${where.what} "${name ?? ""}", which kubeconfig "${where.source}" doesn't have`,
    );
  }
  return value;
}

async function addCredentials(connection: Connection, user: User, source: string): Promise<void> {
  if (user["auth-provider"] !== undefined) {
    throw new KubeconfigError(
      `Kubeconfig "${source}" uses auth-provider, which is not supported: use an exec plugin, a token or a client certificate`,
    );
  }
  const pair = async (): Promise<{ cert?: string; key?: string }> => {
    const cert = await pem(user["client-certificate-data"], user["client-certificate"], source);
    const key = await pem(user["client-key-data"], user["client-key"], source);
    return { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
  };
  Object.assign(connection, await pair());
  // Whoever renews a certificate in a file does so long before it ends.
  const inFile = (user["client-certificate"] ?? "") !== "" && (user["client-certificate-data"] ?? "") === "";
  if (inFile) connection.certificate = pair;
  const { tokenFile } = user;
  if (tokenFile !== undefined && tokenFile !== "") {
    // It may have a newer one than the kubeconfig itself, as with kubectl.
    connection.token = async () => (await readCredential(tokenFile, source)).trim();
  } else if (user.token !== undefined && user.token !== "") {
    const token = user.token;
    connection.token = () => Promise.resolve(token);
  } else if (user.username !== undefined) {
    connection.username = user.username;
    connection.password = user.password ?? "";
  } else if (user.exec !== undefined) {
    const credential = execCredential(user.exec, connection);
    const first = await credential();
    if (first.cert !== undefined) connection.certificate = () => credential();
    if (first.token !== undefined) connection.token = async (refused) => (await credential(refused)).token ?? "";
  }
}

/** Inline data (base64) wins over a file, as with kubectl. */
async function pem(data: string | undefined, file: string | undefined, source: string): Promise<string | undefined> {
  if (data !== undefined && data !== "") return Buffer.from(data, "base64").toString("utf8");
  if (file === undefined || file === "") return undefined;
  return readCredential(file, source);
}

async function readCredential(file: string, source: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new KubeconfigError(
      `Cannot read "${file}", which kubeconfig "${source}" names: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      { cause: error },
    );
  }
}
