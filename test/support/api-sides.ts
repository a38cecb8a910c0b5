/** Both servers that answer Elafros' API, for tests that speak through it alone: that of one machine, and a simulated Kubernetes with its definitions. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { httpClient } from "../../src/client/http.ts";
import { type ApiBench, apiBench, asker } from "./api-server.ts";
import { startCluster } from "./cluster/cluster.ts";
import { defineElafros } from "./cluster/elafros.ts";

/** One of them; it goes with the test. */
export type ApiSide = Pick<ApiBench, "ask" | "kubeconfig">;

/** For `describe.each`. */
export const apiSides = [
  ["on this machine", () => apiBench()],
  ["on Kubernetes", onKubernetes],
] as const satisfies [string, () => Promise<ApiSide>][];

async function onKubernetes(): Promise<ApiSide> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-side-"));
  const cluster = await startCluster();
  onTestFinished(async () => {
    await cluster.stop();
    await rm(dir, { recursive: true });
  });
  const client = httpClient(cluster.connection);
  await defineElafros(client, {});
  client.close();
  const { pki, port } = cluster;
  const admin = await pki.issueClient({ user: "admin", groups: ["system:masters"] });
  return {
    ask: asker({ port, ca: pki.ca, admin }),
    async kubeconfig(user, groups) {
      const file = join(dir, `${user}.kubeconfig`);
      await cluster.kubeconfig(file, { user, groups });
      return file;
    },
  };
}
