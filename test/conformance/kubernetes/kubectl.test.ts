/** What kubectl 1.32 asked of a Kubernetes 1.26.5, asked of both servers. */
import { readFileSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { apiBench, asker } from "../../support/api-server.ts";
import { startCluster } from "../../support/cluster/cluster.ts";
import { kubectlDifferences } from "./differences-kubectl.ts";
import { type KubectlCommand, KubectlReplay, readCommands } from "./kubectl-replay.ts";
import type { PlayedServer } from "./player.ts";
import { recordedKinds } from "./recorded-route.ts";
import { type Allowed, unexpected } from "./unexpected.ts";

const definition: unknown = JSON.parse(
  readFileSync(new URL("../../support/recordings/route-definition.json", import.meta.url), "utf8"),
);
const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "kubectl" } };
/** Pods are a view of what runs, which nobody makes, and there is nothing that makes them: those commands are a cluster's alone. */
const ofPods = /\/(?:pods|deployments|replicasets|replicationcontrollers)\b/;

async function embedded(): Promise<PlayedServer> {
  const bench = await apiBench({ kinds: recordedKinds });
  return { ...bench, ca: bench.pki.ca };
}

async function simulated(): Promise<PlayedServer> {
  // Containers that are to end don't: kubectl sees what it deletes going.
  const endsAfter = new Promise<void>(() => {});
  const cluster = await startCluster({
    fate: () => ({ kind: "runs", startMs: 5, readyMs: 5, stopMs: 5, endsAfter }),
  });
  onTestFinished(() => cluster.stop());
  const { port, pki } = cluster;
  const admin = await pki.issueClient({ user: "recorder", groups: ["system:masters"] });
  const ask = asker({ port, ca: pki.ca, admin });
  await ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", { body: definition });
  const served = async () => (await ask("GET", "/apis/elafros.dev/v1alpha1/routes")).status;
  await expect.poll(served).toBe(200);
  return { ask, port, ca: pki.ca, admin };
}

async function play(server: PlayedServer, commands: readonly KubectlCommand[], allowed: Allowed): Promise<object> {
  expect((await server.ask("POST", "/api/v1/namespaces", { body: namespace })).status).toBe(201);
  const replay = new KubectlReplay(server);
  const found: Record<string, string[]> = {};
  for (const command of commands) await replay.play(command, found);
  return unexpected(found, allowed);
}

it("KubectlReplay finds no difference that isn't listed in what the server of one machine answers", async () => {
  const commands = readCommands().filter(({ requests }) => !requests.some(({ path }) => ofPods.test(path)));
  expect(await play(await embedded(), commands, kubectlDifferences.embedded)).toEqual({});
});

it("KubectlReplay finds no difference that isn't listed in what the simulated cluster answers", async () => {
  expect(await play(await simulated(), readCommands(), kubectlDifferences.simulated)).toEqual({});
});
