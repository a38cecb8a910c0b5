/** Recorded requests to a Kubernetes API server (1.26.5), played against this one: the same answers, but for what is listed. */
import { describe, expect, it } from "vitest";

import { apiBench, type ApiBench } from "../../support/api-server.ts";
import { allowed } from "./allowed-differences.ts";
import { recordedKinds } from "./recorded-route.ts";
import { playFile } from "./play.ts";
import { Replay, withoutUncheckedRules } from "./replay.ts";

const files = [
  "02-create",
  "03-field-validation",
  "04-validation",
  "05-not-found",
  "06-put",
  "07-patch",
  "08-delete",
  "09-list-table",
];

async function prepare(): Promise<{ bench: ApiBench; replay: Replay }> {
  const bench = await apiBench({ kinds: recordedKinds });
  for (const name of ["recordings", "recordings2", "lists", "watches"]) {
    await bench.ask("POST", "/api/v1/namespaces", {
      body: { apiVersion: "v1", kind: "Namespace", metadata: { name } },
    });
  }
  return { bench, replay: new Replay(bench) };
}

describe("the API server answers as Kubernetes", () => {
  it("replay() finds no difference that isn't listed", async () => {
    const { replay } = await prepare();
    const unexpected: Record<string, string[]> = {};
    for (const file of files)
      Object.assign(unexpected, await playFile(replay, file, { allowed, body: withoutUncheckedRules }));
    expect(unexpected).toEqual({});
  });
});
