/** A whole platform for a test: started and stopped by its own commands, on free ports, in a directory of its own. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parse } from "yaml";

export const elafros: string = resolve(import.meta.dirname, "../../bin/elafros");

/** What a command printed and how it ended. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

/** Watches from what a list says now; see `TestPlatform.watch`. */
export async function watchObjects(
  platform: Pick<TestPlatform, "json">,
  { url, path, agent }: { url: string; path: string; agent: https.Agent },
  each?: (object: unknown) => void,
): Promise<{ seen: unknown[]; stop(): void }> {
  const list = (await platform.json("GET", path)) as { metadata: { resourceVersion: string } };
  const seen: unknown[] = [];
  const query = `watch=true&resourceVersion=${list.metadata.resourceVersion}`;
  const outgoing = https.get(`${url}?${query}`, { agent }, (response) => {
    let rest = "";
    response.setEncoding("utf8");
    response.on("error", () => {});
    response.on("data", (part: string) => {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const { object } = JSON.parse(line) as { object: unknown };
        seen.push(object);
        each?.(object);
      }
    });
  });
  outgoing.on("error", () => {});
  return { seen, stop: () => outgoing.destroy() };
}

/** Runs a program to its end; never throws for an exit status. */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string; timeoutMs?: number } = {},
): Promise<CommandResult> {
  return new Promise((done, reject) => {
    const { cwd, env, input, timeoutMs = 120_000 } = options;
    const child = execFile(
      program,
      args,
      { cwd, env: env ?? process.env, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) done({ code: 0, stdout, stderr });
        else if (typeof error.code === "number") done({ code: error.code, stdout, stderr });
        else
          reject(new Error(`${program} ${args.join(" ")}: ${error.message}\n${stdout}\n${stderr}`, { cause: error }));
      },
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(input ?? "");
  });
}

/** Polls until `look` returns something other than undefined or false; the error says what it last saw or threw. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  options: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + (options.timeoutMs ?? 30_000);
  let last: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`Waited in vain until ${what}`, { cause: last });
    await new Promise((wake) => setTimeout(wake, options.everyMs ?? 25));
  }
}

/** A TCP port on 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((done, reject) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo;
      server.close((error) => (error === undefined ? done(port) : reject(error)));
    });
  });
}

/** One HTTP request, its answer read to the end. */
export function request(url: string, options: https.RequestOptions & { body?: string | Buffer } = {}): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((done, reject) => {
    const send = url.startsWith("https:") ? https.request : http.request;
    const outgoing = send(url, rest, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () =>
        done({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(parts).toString() }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

type AskOptions = Omit<https.RequestOptions, "headers"> & { headers?: http.OutgoingHttpHeaders; body?: string };

export interface TestPlatform {
  dataDir: string;
  /** `https://127.0.0.1:PORT`. */
  api: string;
  httpPort: number;
  kubeconfig: string;
  /** Sends a request to the API as the administrator, exactly as given. */
  call(method: string, path: string, body?: string, headers?: http.OutgoingHttpHeaders): Promise<Answer>;
  /** The same, the answer's JSON taken apart. */
  json(method: string, path: string, body?: string, headers?: http.OutgoingHttpHeaders): Promise<unknown>;
  /** Watches a collection from now on: `seen` gets each object as it changes, and `each` is called with it. */
  watch(path: string, each?: (object: unknown) => void): Promise<{ seen: unknown[]; stop(): void }>;
  /** Asks a service through the gateway. `host` without port, such as `my-service.default.localhost`. */
  ask(host: string, path?: string, options?: AskOptions): Promise<Answer>;
  /** Runs `elafros ARGS` against it. */
  elafros(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Promise<CommandResult>;
  kubectl(args: readonly string[], input?: string): Promise<CommandResult>;
  /** `up` again, with the same directory and ports. */
  up(extra?: readonly string[]): Promise<CommandResult>;
  /** The pid of one of its processes now. */
  pid(name: string): Promise<number>;
  /** Stops it and removes every trace. */
  purge(): Promise<void>;
}

/** Starts a platform. `flags` are further flags of `up`; `prepare` may put things into the data directory before the first one. */
export async function startPlatform(
  flags: readonly string[] = [],
  prepare: (dataDir: string) => Promise<unknown> = () => Promise.resolve(),
): Promise<TestPlatform> {
  const dataDir = await mkdtemp(join(tmpdir(), "elafros-test-"));
  await prepare(dataDir);
  const [apiPort, httpPort] = [await freePort(), await freePort()];
  const kubeconfig = join(dataDir, "kubeconfig");
  const upArgs = ["up", "--data-dir", dataDir, "--api", `127.0.0.1:${apiPort}`, "--http", `127.0.0.1:${httpPort}`];
  const up = (extra: readonly string[] = []) => run(elafros, [...upArgs, "--detach", ...flags, ...extra]);
  const purge = async () => {
    const result = await run(elafros, ["down", "--purge", "--data-dir", dataDir]);
    if (result.code !== 0) throw new Error(`down --purge failed: ${result.stderr}`);
  };
  const started = await up();
  if (started.code !== 0) {
    const log = await readFile(join(dataDir, "logs/control.log"), "utf8").catch(() => "");
    await purge().catch(() => {});
    throw new Error(`up failed: ${started.stdout}${started.stderr}\n${log.slice(-4_000)}`);
  }
  const config = parse(await readFile(kubeconfig, "utf8")) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const decode = (value: string | undefined) => Buffer.from(value ?? "", "base64").toString();
  const [cluster, user] = [config.clusters[0]?.cluster ?? {}, config.users[0]?.user ?? {}];
  const credentials = {
    ca: decode(cluster["certificate-authority-data"]),
    cert: decode(user["client-certificate-data"]),
    key: decode(user["client-key-data"]),
  };
  const agent = new https.Agent({ ...credentials, keepAlive: true });
  const api = `https://127.0.0.1:${apiPort}`;
  const env = { ...process.env, KUBECONFIG: kubeconfig, NO_COLOR: "1" };

  const platform: TestPlatform = {
    dataDir,
    api,
    httpPort,
    kubeconfig,
    call: (method, path, body, headers = {}) =>
      request(`${api}${path}`, { method, headers, agent, ...(body === undefined ? {} : { body }) }),
    json: async (method, path, body, headers) => JSON.parse((await platform.call(method, path, body, headers)).text),
    watch: (path, each) => watchObjects(platform, { url: `${api}${path}`, path, agent }, each),
    ask: (host, path = "/", options = {}) =>
      request(`http://127.0.0.1:${httpPort}${path}`, { ...options, headers: { host, ...options.headers } }),
    elafros: (args, options = {}) =>
      run(elafros, args, { ...options, cwd: options.cwd ?? dataDir, env: { ...env, ...options.env } }),
    kubectl: (args, input) =>
      run("kubectl", args, { env: { ...env, HOME: dataDir }, ...(input === undefined ? {} : { input }) }),
    up,
    pid: async (name) => {
      const record = JSON.parse(await readFile(join(dataDir, "run", `${name}.json`), "utf8")) as { pid: number };
      return record.pid;
    },
    purge: async () => {
      agent.destroy();
      await purge();
    },
  };
  return platform;
}

/** Starts a program that goes on; the test ends it. */
export function background(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  return spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
}
