/** Both sides of the sources port: files on this machine, and blobs of a cluster's registry, a real one that asks for a password. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Secret } from "../../src/api/secret.ts";
import type { Client } from "../../src/client/client.ts";
import { createBuildRegistry } from "../../src/kubernetes/builds/registry.ts";
import { createUploadNamespaces } from "../../src/kubernetes/sources/namespaces.ts";
import { createClusterSources } from "../../src/kubernetes/sources/port.ts";
import { registryAuths } from "../../src/reconcilers/revision/pull-secrets.ts";
import { openSourceStore } from "../../src/runtime/source-store.ts";
import { mostBytes, sourcesContract } from "../contract/sources.ts";
import { manualClock } from "../support/manual-clock.ts";
import { memoryCluster } from "../support/memory-cluster.ts";
import { startRegistry } from "../support/registry.ts";

sourcesContract("on this machine", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-sources-"));
  const clock = manualClock(Date.now());
  const open = () => openSourceStore({ dir, maxBytes: mostBytes, reserveBytes: 0, clock });
  return { clock, port: await open(), reopen: open, close: () => rm(dir, { recursive: true }) };
});

sourcesContract("on Kubernetes", async () => {
  const user = { username: "controllers", password: "s3cret" };
  const registry = await startRegistry({ auth: user });
  const login = JSON.stringify({ auths: { [registry.host]: user } });
  const stored = { data: { ".dockerconfigjson": Buffer.from(login).toString("base64") } } as unknown as Secret;
  const clock = manualClock(Date.now());
  const { client } = memoryCluster();
  const open = () =>
    createClusterSources({
      registry: createBuildRegistry({
        client: { get: (() => Promise.resolve(stored)) as unknown as Client["get"] },
        place: `${registry.host}/elafros`,
        secret: { namespace: "elafros-system", name: "registry" },
        authsOf: (secret) => registryAuths([secret]),
      }),
      namespaces: createUploadNamespaces(client, { namespace: "elafros-system", name: "uploads" }),
      clock,
      maxBytes: mostBytes,
    });
  return { clock, port: open(), reopen: () => Promise.resolve(open()), close: () => registry.close() };
});
