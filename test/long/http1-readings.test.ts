/** The long version of src/gateway/http1/readings.test.ts: a million streams of requests, read by the gateway's parser and by Node's. */
import { expect, test } from "vitest";
import { compareReadings, kindsOfStreams } from "../support/readings.ts";

test.each(kindsOfStreams)(
  "half a million streams %s are served as Node reads them, or not at all",
  async (_what, kind) => {
    expect(await compareReadings(kind, 500_000)).toBeGreaterThan(50_000);
  },
);
