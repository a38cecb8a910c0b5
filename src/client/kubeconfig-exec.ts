/**
 * Exec plugins of a kubeconfig (client.authentication.k8s.io): a program that prints an ExecCredential. It is started
 * directly, never by a shell, and what it gives is kept until it expires.
 */
import { execFile } from "node:child_process";
import type { Connection } from "./kubeconfig.ts";

/** `user.exec` of a kubeconfig. */
export interface ExecConfig {
  apiVersion?: string;
  command?: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  interactiveMode?: string;
  provideClusterInfo?: boolean;
}

export interface Credential {
  token?: string;
  cert?: string;
  key?: string;
  /** Milliseconds since the epoch. */
  expiresAt?: number;
}

const renewEarlyMs = 10_000;
const timeoutMs = 60_000;

/**
 * A function that gives the plugin's credential. The plugin runs again once the last one expires, or has the token that is given as
 * refused; it runs once at a time, for all who wait.
 */
export function execCredential(config: ExecConfig, connection: Connection): (refused?: string) => Promise<Credential> {
  let last: Credential | undefined;
  let running: Promise<Credential> | undefined;
  const renew = async () => {
    try {
      last = await runPlugin(config, connection);
      return last;
    } finally {
      running = undefined;
    }
  };
  return (refused) => {
    const expired = last?.expiresAt !== undefined && last.expiresAt - renewEarlyMs <= Date.now();
    const isRefused = refused !== undefined && last?.token === refused;
    if (last !== undefined && !expired && !isRefused) return Promise.resolve(last);
    running ??= renew();
    return running;
  };
}

async function runPlugin(config: ExecConfig, connection: Connection): Promise<Credential> {
  const { command } = config;
  if (command === undefined || command === "") {
    throw new Error(`Kubeconfig "${connection.source}" has an exec plugin without command`);
  }
  const info = {
    apiVersion: config.apiVersion ?? "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: {
      interactive: false,
      ...(config.provideClusterInfo === true
        ? {
            cluster: {
              server: connection.server,
              ...(connection.ca === undefined
                ? {}
                : { "certificate-authority-data": Buffer.from(connection.ca).toString("base64") }),
            },
          }
        : {}),
    },
  };
  const env: NodeJS.ProcessEnv = { ...process.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  for (const { name, value } of config.env ?? []) env[name] = value;
  const output = await run(command, config, env);
  return parseCredential(output, command);
}

function run(command: string, config: ExecConfig, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, config.args ?? [], { env, timeout: timeoutMs, maxBuffer: 4 << 20 }, (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      const missing = error.code === "ENOENT";
      const why = missing ? "it was not found" : stderr.trim().split("\n").at(-1) || error.message;
      const hint = missing && config.installHint !== undefined ? `: ${config.installHint}` : "";
      reject(new Error(`Cannot get credentials from exec plugin "${command}": ${why}${hint}`, { cause: error }));
    });
  });
}

function parseCredential(output: string, command: string): Credential {
  let status: Record<string, unknown> | undefined;
  try {
    status = (JSON.parse(output) as { status?: Record<string, unknown> }).status;
  } catch (error) {
    throw new Error(`Exec plugin "${command}" printed no ExecCredential in JSON`, { cause: error });
  }
  if (status === undefined) throw new Error(`Exec plugin "${command}" printed an ExecCredential without status`);
  const credential: Credential = {};
  if (typeof status["token"] === "string") credential.token = status["token"];
  if (typeof status["clientCertificateData"] === "string") credential.cert = status["clientCertificateData"];
  if (typeof status["clientKeyData"] === "string") credential.key = status["clientKeyData"];
  const expires = status["expirationTimestamp"];
  if (typeof expires === "string") credential.expiresAt = Date.parse(expires);
  return credential;
}
