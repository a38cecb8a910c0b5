import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { Client } from "../../client/client.ts";
import { silentLog } from "../../lib/log.ts";
import { startSourceHousekeeping } from "./source-housekeeping.ts";

test("startSourceHousekeeping() keeps the uploads that Configurations and Builds name, by namespace", async () => {
  const clock = manualClock();
  const pruned: { keep: string[]; olderThanMs: number }[] = [];
  const upload = (digit: string) => ({ gcs: { type: "Archive", location: `upload:sha256:${digit.repeat(64)}` } });
  const objects: Record<string, object[]> = {
    Configuration: [
      { metadata: { namespace: "a" }, spec: { build: { source: upload("1") } } },
      { metadata: { namespace: "a" }, spec: {} },
    ],
    Build: [
      { metadata: { namespace: "b" }, spec: { source: upload("2") } },
      { metadata: { namespace: "b" }, spec: { source: { gcs: { location: "https://example.com/a.zip" } } } },
      { metadata: { namespace: "b" }, spec: { source: { git: { url: "https://example.com/a.git" } } } },
    ],
  };
  const list = async ({ kind }: { kind: string }) => ({ items: objects[kind] });
  const housekeeping = startSourceHousekeeping({
    client: { list: list as unknown as Client["list"] },
    sources: { prune: async (keep, olderThanMs) => void pruned.push({ keep: [...keep], olderThanMs }) },
    keepMs: 1000,
    clock,
    log: silentLog,
  });
  await clock.advance(3_600_000);
  expect(pruned).toEqual([{ keep: [`a/sha256:${"1".repeat(64)}`, `b/sha256:${"2".repeat(64)}`], olderThanMs: 1000 }]);
  await housekeeping.stop();
  expect(clock.pending).toBe(0);
});
