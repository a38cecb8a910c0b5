/** Recorded requests to a Kubernetes API server (1.26.5), played against the simulated cluster: the same answers, but for what is listed. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { asker } from "../../support/api-server.ts";
import { type Cluster, startCluster } from "../../support/cluster/cluster.ts";
import { playFile } from "./play.ts";
import { Replay } from "./replay.ts";
import { simulatedDifferences } from "./simulated-differences.ts";

const definition: unknown = JSON.parse(
  readFileSync(new URL("../../support/recordings/route-definition.json", import.meta.url), "utf8"),
);
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
];

let cluster: Cluster;
let replay: Replay;

beforeAll(async () => {
  cluster = await startCluster();
  const admin = await cluster.pki.issueClient({ user: "recorder", groups: ["system:masters"] });
  const ask = asker({ port: cluster.port, ca: cluster.pki.ca, admin });
  const before = await ask("GET", "/apis/elafros.dev/v1alpha1/namespaces/recordings/routes");
  expect([before.status, before.text]).toEqual([404, "404 page not found\n"]);
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  expect((await ask("POST", definitions, { body: definition })).status).toBe(201);
  for (const name of ["recordings", "recordings2", "lists", "watches"]) {
    const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    expect((await ask("POST", "/api/v1/namespaces", { body })).status).toBe(201);
  }
  await vi.waitFor(
    async () => expect((await ask("GET", "/apis/elafros.dev/v1alpha1/routes")).status).toBe(200),
    30_000,
  );
  replay = new Replay({ ask });
});
afterAll(() => cluster.stop());

describe("the simulated cluster answers as Kubernetes", () => {
  it.each(files)("playFile() finds no difference that isn't listed in %s", async (file) => {
    expect(await playFile(replay, file, { allowed: simulatedDifferences })).toEqual({});
  });
});
