import { httpClient } from "../client/http.ts";
import { loadKubeconfig, resolveConnection } from "../client/kubeconfig.ts";
import { signing } from "./authorship.ts";
import { defaultDataDir, type Factory, type ServerOptions, type Session } from "./factory.ts";

/** Finds the kubeconfig, chooses its context (the region) and makes a client of it. No request is sent yet. */
export async function connect(factory: Pick<Factory, "env" | "cwd" | "io">, options: ServerOptions): Promise<Session> {
  const config = await loadKubeconfig({
    path: options.kubeconfig,
    env: factory.env,
    fallback: `${defaultDataDir}/kubeconfig`,
    cwd: factory.cwd,
  });
  const connection = await resolveConnection(config, options.region);
  const plain = httpClient(connection, { onWarning: (text) => factory.io.note(`Warning: ${text}`) });
  const client = signing(plain, connection);
  const { namespace, context: region, server } = connection;
  return { client, namespace: options.namespace ?? namespace, region, server };
}
