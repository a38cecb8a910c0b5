/** The gateway's reading of a stream of bytes against Node's: what the one serves, the other reads as the same requests. */
import { expect, test } from "vitest";
import { compareReadings, kindsOfStreams } from "../../../test/support/readings.ts";

test.each(kindsOfStreams)(
  "streams of requests %s are served as Node reads them, or not at all",
  async (_what, kind) => {
    expect(await compareReadings(kind, 3_000)).toBeGreaterThan(300);
  },
);
