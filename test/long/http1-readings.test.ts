/** The long version of src/gateway/http1/readings.test.ts: a million streams of requests, read by the gateway's parser and by Node's. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { almostSound, nodeReader, ownReading, requestStreams } from "../support/readings.ts";

const node = nodeReader();

test.each([
  ["as attackers write them", requestStreams],
  ["with at most one byte wrong", almostSound],
])("half a million streams of requests %s are served as Node reads them, or not at all", async (_what, streams) => {
  let served = 0;
  await fc.assert(
    fc.asyncProperty(streams, async (bytes) => {
      const { requests, length } = ownReading(bytes);
      if (length === 0) return;
      served += requests.length;
      expect(await node.read(bytes.subarray(0, length))).toEqual(requests);
    }),
    { numRuns: 500_000 },
  );
  expect(served).toBeGreaterThan(50_000);
});
