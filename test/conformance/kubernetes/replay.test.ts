/** Recorded requests to a Kubernetes API server (1.26.5), played against the server of one machine: the same answers, but for what is listed. */
import { expect, it } from "vitest";
import { apiBench } from "../../support/api-server.ts";
import { differences } from "./differences.ts";
import { Player } from "./player.ts";
import { recordedKinds } from "./recorded-route.ts";
import { withoutUncheckedRules } from "./replay.ts";

const namespaces = ["recordings", "recordings2", "lists", "watches", "auth"];
const files = [
  "02-create",
  "03-field-validation",
  "04-validation",
  "05-not-found",
  "06-put",
  "07-patch",
  "08-delete",
  "09-list-table",
  "10-watch",
  "11-watch-bookmarks",
  "auth-rbac",
  "auth-tokens",
  "namespace-delete",
];

it("Player finds no difference that isn't listed in the server's answers", async () => {
  const bench = await apiBench({ kinds: recordedKinds });
  for (const name of namespaces) await bench.ask("POST", "/api/v1/namespaces", { body: { metadata: { name } } });
  const expected = { allowed: differences.embedded, body: withoutUncheckedRules };
  const player = new Player({ ...bench, ca: bench.pki.ca }, expected);
  for (const file of files) expect(await player.file(file), file).toEqual({});
});
