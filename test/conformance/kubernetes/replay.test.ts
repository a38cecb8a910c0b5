/** Recorded requests to a Kubernetes API server (1.26.5), played against this one: the same answers, but for what is listed. */
import { describe, expect, it } from "vitest";

import { apiBench, type ApiBench } from "../../support/api-server.ts";
import { allowed } from "./allowed-differences.ts";
import { recordedKinds } from "./recorded-route.ts";
import { type Exchange, readExchanges, Replay, withoutUncheckedRules } from "./replay.ts";

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

async function play(replay: Replay, { request, response }: Exchange): Promise<string[]> {
  if (request === undefined || response === undefined) throw new Error("The exchange has no request or no response");
  const answer = await replay.send(request);
  const found = answer.status === response.status ? [] : [`status: ${response.status}, got ${answer.status}`];
  for (const [name, value] of Object.entries(response.headers)) {
    const actual = answer.headers[name];
    if (String(actual).replaceAll(", ", ",") !== String(value))
      found.push(`${name}: ${String(value)}, got ${String(actual)}`);
  }
  const body = answer.json ?? answer.text;
  return [...found, ...replay.differences(withoutUncheckedRules(response.body ?? ""), body, "body")];
}

describe("the API server answers as Kubernetes", () => {
  it("replay() finds no difference that isn't listed", async () => {
    const { replay } = await prepare();
    const unexpected: Record<string, string[]> = {};
    for (const file of files) {
      for (const exchange of readExchanges(file)) {
        if (exchange.setup !== undefined) {
          const answer = await replay.send(exchange.setup);
          expect(answer.status, answer.text).toBeLessThan(300);
          const made = (answer.json?.["metadata"] ?? {}) as { uid?: string; resourceVersion?: string };
          replay.learn(exchange.setup.was?.uid, made.uid);
          replay.learn(exchange.setup.was?.resourceVersion, made.resourceVersion);
          continue;
        }
        const { note = "" } = exchange;
        let found = await play(replay, exchange);
        if (exchange.eventually === true) {
          await expect.poll(async () => (found = await play(replay, exchange)).length, { timeout: 10_000 }).toBe(0);
        }
        const known = allowed[file]?.[note];
        if (known === undefined ? found.length > 0 : found.length === 0) {
          unexpected[`${file}: ${note}`] = known === undefined ? found : ["is listed as different, but is the same"];
        }
      }
    }
    expect(unexpected).toEqual({});
  });
});
