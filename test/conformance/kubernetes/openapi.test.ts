/** The OpenAPI documents of both servers, held to those that a Kubernetes 1.26.5 gave of the same kind. */
import { readFileSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { apiBench, type Answer, type ApiBench, asker } from "../../support/api-server.ts";
import { startCluster } from "../../support/cluster/cluster.ts";
import { openApiDifferences } from "./differences-openapi.ts";
import { factDifferences, factsOf } from "./openapi-facts.ts";
import { recordedKinds } from "./recorded-route.ts";
import { type Exchange, readExchanges } from "./replay.ts";
import { unexpected } from "./unexpected.ts";

type Ask = ApiBench["ask"];

const definition: unknown = JSON.parse(
  readFileSync(new URL("../../support/recordings/route-definition.json", import.meta.url), "utf8"),
);
const document = "apis/elafros.dev/v1alpha1";
const schemas = ["dev.elafros.v1alpha1.Route", "dev.elafros.v1alpha1.RouteList"];

async function embedded(): Promise<Ask> {
  const bench = await apiBench({ kinds: recordedKinds });
  return (...question) => bench.ask(...question);
}

async function simulated(): Promise<Ask> {
  const cluster = await startCluster();
  onTestFinished(() => cluster.stop());
  const admin = await cluster.pki.issueClient({ user: "recorder", groups: ["system:masters"] });
  const ask = asker({ port: cluster.port, ca: cluster.pki.ca, admin });
  const made = await ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", { body: definition });
  expect(made.status).toBe(201);
  const served = async () => (await ask("GET", `/openapi/v3/${document}`)).status;
  await expect.poll(served).toBe(200);
  return ask;
}

/** The hash that documents are named by, where an answer names one. */
function hashOf({ json, headers }: Pick<Answer, "json" | "headers">): string | undefined {
  const { paths = {} } = (json ?? {}) as { paths?: Record<string, { serverRelativeURL?: string }> };
  const url = paths[document]?.serverRelativeURL ?? "";
  const etag = typeof headers["etag"] === "string" ? headers["etag"].replaceAll('"', "") : undefined;
  return /\?hash=(\w+)$/.exec(url)?.[1] ?? etag;
}

/** Sends the recorded requests, with the hash of this run; gives how the answers differ, by what they are about. */
async function play(ask: Ask): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  let [there, here] = ["", ""];
  for (const { note = "", request, response } of readExchanges("openapi")) {
    if (request === undefined || response === undefined) throw new Error("The exchange has no request or no response");
    const mine = JSON.parse(JSON.stringify(request).replaceAll(there === "" ? "\0" : there, here)) as typeof request;
    const answer = await ask(mine.method, mine.path, { headers: mine.headers ?? {} });
    const index = response.body as Answer["json"];
    if (there === "") {
      there = hashOf({ json: index, headers: response.headers }) ?? "";
      here = hashOf(answer) ?? "";
      expect([there, here].map((hash) => /^[0-9A-F]{128}$/.test(hash))).toEqual([true, true]);
    }
    Object.assign(found, headDifferences(note, { response, answer, there, here }));
    if (note === "document") {
      const facts = (body: unknown) => factsOf(body, "Route", schemas);
      Object.assign(found, factDifferences(facts(response.body), facts(answer.json)));
    }
    if (note === "index") found["groups"] = groupDifferences(index, answer.json);
  }
  return found;
}

interface Compared {
  response: NonNullable<Exchange["response"]>;
  answer: Answer;
  there: string;
  here: string;
}

/** By exchange and header. */
function headDifferences(note: string, { response, answer, there, here }: Compared): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  const status = answer.status === response.status ? [] : [`${response.status}, got ${answer.status}`];
  found[`${note}: status`] = status;
  if (status.length > 0) return found;
  for (const [name, value] of Object.entries(response.headers)) {
    const expected = String(value).replaceAll(there, here);
    const actual = String(answer.headers[name]);
    found[`${note}: ${name}`] = actual === expected ? [] : [`${expected}, got ${actual}`];
  }
  return found;
}

function groupDifferences(recorded: Answer["json"], actual: Answer["json"]): string[] {
  const [there, here] = [recorded, actual].map((json) => Object.keys((json as { paths: object }).paths));
  return (there ?? []).filter((path) => here?.includes(path) === false);
}

it.each([
  ["the server of one machine", embedded, openApiDifferences.embedded],
  ["the simulated cluster", simulated, openApiDifferences.simulated],
])("createOpenApi() tells of %s what Kubernetes told", async (_, start, allowed) => {
  expect(unexpected(await play(await start()), allowed)).toEqual({});
});
