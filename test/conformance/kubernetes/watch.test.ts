/** Recorded watches, played against this server: the same events in the same order. */
import { get as httpsGet } from "node:https";

import { describe, expect, it } from "vitest";

import { type ApiBench, apiBench } from "../../support/api-server.ts";
import { recordedKinds } from "./recorded-route.ts";
import { type Exchange, readExchanges, Replay } from "./replay.ts";

type Event = Record<string, unknown>;

interface Stream {
  status: number;
  events: Event[];
  ended: boolean;
  close(): void;
}

/** Opens a watch; resolves with its headers. */
function open(bench: ApiBench, path: string, accept: string): Promise<Stream> {
  const { port, pki, admin } = bench;
  const options = { host: "127.0.0.1", port, path, ca: pki.ca, cert: admin.cert, key: admin.key, agent: false };
  return new Promise((resolve, reject) => {
    const request = httpsGet({ ...options, headers: { accept } }, (response) => {
      const stream: Stream = {
        status: response.statusCode ?? 0,
        events: [],
        ended: false,
        close: () => request.destroy(),
      };
      let rest = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        stream.events.push(...lines.map((line) => JSON.parse(line) as Event));
      });
      response.on("end", () => (stream.ended = true));
      response.on("error", () => {});
      resolve(stream);
    });
    request.on("error", reject);
  });
}

/** Plays one recorded watch, its writes included, until as many events came as were recorded. */
async function play(bench: ApiBench, replay: Replay, exchange: Exchange): Promise<string[]> {
  const { request, events = [], writes = [] } = exchange;
  if (request === undefined) throw new Error("The exchange has no request");
  await learnNow(bench, replay, request.path);
  const alone = events.length === 0;
  const path = replay.translatePath(request.path).replace(/timeoutSeconds=\d+/, `timeoutSeconds=${alone ? 1 : 60}`);
  const stream = await open(bench, path, request.headers?.["accept"] ?? "application/json");
  for (const { resourceVersion, ...write } of writes) {
    const answer = await replay.send(write);
    const metadata = (answer.json?.["metadata"] ?? {}) as { resourceVersion?: string };
    replay.learn(resourceVersion, metadata.resourceVersion);
  }
  const ends = alone || events.at(-1)?.["type"] === "ERROR";
  await expect
    .poll(() => (ends ? stream.ended : stream.events.length >= events.length), {
      timeout: 10_000,
      message: exchange.note ?? "",
    })
    .toBe(true);
  stream.close();
  return replay.differences(ordered(events), ordered(stream.events), "events");
}

/** A recorded watch begins at the version of its time: here at that of now. */
async function learnNow(bench: ApiBench, replay: Replay, path: string): Promise<void> {
  const version = /resourceVersion=(\d{4})(?!\d)/.exec(path)?.[1];
  if (version === undefined || replay.knows(version)) return;
  const { json } = await bench.ask("GET", "/apis/elafros.dev/v1alpha1/namespaces/watches/routes?limit=1");
  replay.learn(version, (json as { metadata: { resourceVersion: string } }).metadata.resourceVersion);
}

/** What there was at the start comes in any order: by name, before what came later. */
function ordered(events: readonly Event[]): Event[] {
  const nameOf = (event: Event): string => JSON.stringify(event).match(/"name":"([^"]*)","namespace"/)?.[1] ?? "";
  const live = events.findIndex(({ type }) => type !== "ADDED");
  const start = live < 0 ? events.length : live;
  const first = events
    .slice(0, start)
    .map(({ type, object }) => ({ type, object: { ...(object as object), columnDefinitions: undefined } }));
  return [...first.sort((a, b) => nameOf(a).localeCompare(nameOf(b))), ...events.slice(start)];
}

const expected: Readonly<Record<string, string>> = {
  "from the list resourceVersion: ADDED, MODIFIED, DELETED; raw lines with managedFields":
    "generation grows only with the spec here",
  "resume from the resourceVersion of the ADDED event: the later events come again":
    "generation grows only with the spec here",
  "resourceVersion=1: too old, ERROR event with 410, then the end": "the store is younger here: nothing is too old",
  "sendInitialEvents with resourceVersionMatch: 422, the feature is not in 1.26": "it is here",
  "resourceVersion not a number": "every error has a reason here",
};

describe("watches", () => {
  it("play() sees the recorded events", async () => {
    const bench = await apiBench({ kinds: recordedKinds });
    const replay = new Replay(bench);
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "watches" } };
    await bench.ask("POST", "/api/v1/namespaces", { body: namespace });
    const unexpected: Record<string, string[]> = {};
    for (const exchange of readExchanges("10-watch")) {
      const { setup, note = "", response, request } = exchange;
      if (setup !== undefined) {
        const answer = await replay.send(setup);
        const { metadata } = answer.json as { metadata: { resourceVersion: string } };
        replay.learn("1981", metadata.resourceVersion);
        continue;
      }
      if (expected[note]?.startsWith("the store") === true) continue;
      let found: string[];
      if (exchange.events === undefined && request !== undefined && response !== undefined) {
        const answer = await replay.send({
          ...request,
          path: request.path.replace(/timeoutSeconds=\d+/, "timeoutSeconds=1"),
        });
        found = answer.status === response.status ? [] : [`status: ${response.status}, got ${answer.status}`];
      } else found = await play(bench, replay, exchange);
      if (expected[note] === undefined && found.length > 0) unexpected[note] = found;
    }
    expect(unexpected).toEqual({});
  });

  it("streamWatch() ends with an ERROR event where the resourceVersion is too old", async () => {
    const bench = await apiBench({ kinds: recordedKinds, history: { changes: 2, bytes: 1 << 20, ageMs: 600_000 } });
    const path = "/apis/elafros.dev/v1alpha1/namespaces/default/routes";
    const versions: string[] = [];
    for (let at = 0; at < 8; at += 1) {
      const spec = { rollout: { traffic: [{ configurationName: "a", percent: 100 }] } };
      const body = { apiVersion: "elafros.dev/v1alpha1", kind: "Route", metadata: { name: `r${at}` }, spec };
      const { json } = await bench.ask("POST", path, { body });
      versions.push((json as { metadata: { resourceVersion: string } }).metadata.resourceVersion);
    }
    const stream = await open(bench, `${path}?watch=true&resourceVersion=${versions[0]}`, "application/json");
    await expect.poll(() => stream.ended, { timeout: 10_000 }).toBe(true);
    expect(stream.status).toBe(200);
    expect(stream.events).toMatchObject([{ type: "ERROR", object: { kind: "Status", reason: "Expired", code: 410 } }]);
  });

  it("streamWatch() sends bookmarks, also as tables and with the end of the initial events", async () => {
    const bench = await apiBench();
    const path = "/apis/elafros.dev/v1alpha1/namespaces/default/routes";
    const query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    for (const [accept, kind] of [
      ["application/json", "Route"],
      ["application/json;as=Table;v=v1;g=meta.k8s.io", "Table"],
      ["application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "PartialObjectMetadata"],
    ] as const) {
      const stream = await open(bench, `${path}?${query}`, accept);
      await expect.poll(() => stream.events.length, { timeout: 10_000, message: accept }).toBe(1);
      stream.close();
      expect(stream.events).toMatchObject([{ type: "BOOKMARK", object: { kind } }]);
    }
  });
});
