/**
 * The connection of a process that runs in a Pod: the API server's address from the environment, the Pod's ServiceAccount from the files
 * that the kubelet mounts. The kubelet replaces them while the process runs, so the token is read again every few seconds, and the
 * CA when the server's certificate isn't trusted any more.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "../lib/clock.ts";
import { inClusterContext } from "./http-errors.ts";
import { type Connection, KubeconfigError } from "./kubeconfig.ts";

/** Where the kubelet mounts a ServiceAccount's files. */
const mountedAt = "/var/run/secrets/kubernetes.io/serviceaccount";
/** A token is renewed long before it ends, so that one that is a little older does. */
const tokenMs = 10_000;

interface InClusterOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** Of the ServiceAccount's files. */
  directory?: string;
  clock?: Clock;
}

/** Reads the connection. @throws KubeconfigError where this process isn't in a Pod that has a ServiceAccount */
export async function inClusterConnection(options: InClusterOptions): Promise<Connection> {
  const { env, directory = mountedAt, clock = systemClock } = options;
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = env["KUBERNETES_SERVICE_PORT"] ?? "";
  if (host === "" || port === "") {
    throw new KubeconfigError(
      "Cannot find the cluster's API server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT aren't set, as they are in a Pod: run there, or name a kubeconfig with --kubeconfig",
    );
  }
  const read = async (name: string) => {
    const path = join(directory, name);
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new KubeconfigError(
        `Cannot read "${path}": ${code}: give the Pod a ServiceAccount, and don't set automountServiceAccountToken to false`,
        { cause: error },
      );
    }
  };
  const readCa = () => read("ca.crt");
  const [ca, namespace] = await Promise.all([readCa(), read("namespace")]);
  let last: { token: string; at: number } | undefined;
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    ca,
    renewCa: readCa,
    token: async (refused) => {
      if (last !== undefined && last.token !== refused && clock.now() - last.at < tokenMs) return last.token;
      last = { token: (await read("token")).trim(), at: clock.now() };
      return last.token;
    },
    insecure: false,
    namespace: namespace.trim(),
    context: inClusterContext,
    source: directory,
  };
}
