import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { Client } from "../../client/client.ts";
import { silentLog } from "../../lib/log.ts";
import type { PruneRules } from "../../lib/source/pruning.ts";
import { startSourceHousekeeping } from "./source-housekeeping.ts";

test("startSourceHousekeeping() keeps the uploads that Configurations and Builds name, by namespace", async () => {
  const clock = manualClock();
  const pruned: PruneRules[] = [];
  const upload = (digit: string) => ({ gcs: { type: "Archive", location: `upload:sha256:${digit.repeat(64)}` } });
  const objects: Record<string, object[]> = {
    Namespace: [{ metadata: { name: "a" } }, { metadata: { name: "b" } }],
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
    sources: { prune: async (rules) => void pruned.push(rules) },
    keepMs: 1000,
    clock,
    log: silentLog,
  });
  await clock.advance(3_600_000);
  expect(pruned).toEqual([
    {
      keep: new Set([`a/sha256:${"1".repeat(64)}`, `b/sha256:${"2".repeat(64)}`]),
      namespaces: new Set(["a", "b"]),
      freshMs: 3_600_000,
      keepMs: 1000,
      most: 20,
    },
  ]);
  await housekeeping.stop();
  expect(clock.pending).toBe(0);
});
