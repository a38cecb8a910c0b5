/** Recorded requests to a Kubernetes API server (1.26.5), played against the simulated cluster: the same answers, but for what is listed. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { asker } from "../../support/api-server.ts";
import { type Cluster, startCluster } from "../../support/cluster/cluster.ts";
import { differences } from "./differences.ts";
import { Player } from "./player.ts";

const files = [
  "02-create",
  "03-field-validation",
  "04-validation",
  "05-not-found",
  "06-put",
  "07-patch",
  "07-apply",
  "08-delete",
  "09-list-table",
  "10-watch",
  "11-watch-bookmarks",
  "auth-rbac",
  "auth-tokens",
  "auth-quota",
  "builtin",
  "lease",
  "discovery",
];

let cluster: Cluster;
let player: Player;
/** It comes first: it defines the kind that the others are about. */
let definition: object;

beforeAll(async () => {
  cluster = await startCluster({ fate: () => ({ kind: "runs", startMs: 600_000, readyMs: undefined, stopMs: 5 }) });
  const { port, pki } = cluster;
  const admin = await pki.issueClient({ user: "recorder", groups: ["system:masters"] });
  const ask = asker({ port, ca: pki.ca, admin });
  player = new Player({ ask, port, ca: pki.ca, admin }, { allowed: differences.simulated });
  definition = await player.file("01-crd");
  for (const name of ["recordings", "recordings2", "lists", "watches", "auth", "builtin", "lease"]) {
    const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    expect((await ask("POST", "/api/v1/namespaces", { body })).status).toBe(201);
  }
  await vi.waitFor(
    async () => expect((await ask("GET", "/apis/elafros.dev/v1alpha1/routes")).status).toBe(200),
    30_000,
  );
});
afterAll(() => cluster.stop());

describe("the simulated cluster answers as Kubernetes", () => {
  it("Player finds no difference that isn't listed in 01-crd", () => expect(definition).toEqual({}));

  it.each(files)("Player finds no difference that isn't listed in %s", async (file) => {
    expect(await player.file(file)).toEqual({});
  });
});
