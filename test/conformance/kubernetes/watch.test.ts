/** Watches of this server as they come over the wire. */
import { describe, expect, it } from "vitest";
import { apiBench } from "../../support/api-server.ts";
import { recordedKinds } from "./recorded-route.ts";
import { openWatch } from "./watch-stream.ts";

describe("watches", () => {
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
    const stream = await openWatch(
      { ...bench, ca: bench.pki.ca },
      `${path}?watch=true&resourceVersion=${versions[0]}`,
      "application/json",
    );
    await expect.poll(() => stream.ended).toBe(true);
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
      const stream = await openWatch({ ...bench, ca: bench.pki.ca }, `${path}?${query}`, accept);
      await expect.poll(() => stream.events.length, { message: accept }).toBe(1);
      stream.close();
      expect(stream.events).toMatchObject([{ type: "BOOKMARK", object: { kind } }]);
    }
  });
});
