import { expect, test } from "vitest";
import { manualClock, settle } from "../../../test/support/manual-clock.ts";
import type { Client } from "../../client/client.ts";
import { silentLog } from "../../lib/log.ts";
import type { BuildState } from "../../runtime/builds.ts";
import type { WorkloadState } from "../../runtime/workloads.ts";
import { startImageHousekeeping } from "./image-housekeeping.ts";

const hour = 3_600_000;

function stage() {
  const clock = manualClock();
  const asked: string[][] = [];
  const world = { digests: ["app@sha256:1"] as (string | undefined)[], built: ["built@sha256:3"], fails: false };
  const list = async ({ kind }: { kind: string }) => {
    if (world.fails) throw new Error("away");
    const digests = kind === "Build" ? world.built : world.digests;
    return { items: digests.map((imageDigest) => ({ status: { imageDigest } })) };
  };
  const ended: BuildState = {
    key: { namespace: "default", name: "just-now" },
    uid: "u",
    phase: "succeeded",
    createdAt: 0,
    steps: [],
    labels: {},
    imageDigest: "fresh@sha256:4",
  };
  const running: WorkloadState = {
    key: { namespace: "default", name: "gone-00001" },
    desired: 0,
    instances: [
      { id: "x", phase: "draining", image: "old@sha256:9", labels: {}, createdAt: 0, restarts: 0 },
      { id: "y", phase: "draining", image: "app@sha256:1", labels: {}, createdAt: 0, restarts: 0 },
    ],
  };
  const housekeeping = startImageHousekeeping({
    client: { list: list as unknown as Client["list"] },
    workloads: { list: () => [running] },
    builds: { list: () => [ended] },
    images: {
      prune: async (keep) => {
        asked.push([...keep]);
        return [];
      },
    },
    clock,
    log: silentLog,
  });
  return { clock, asked, world, housekeeping };
}

test("startImageHousekeeping() keeps what Revisions, Builds and instances need, once an hour", async () => {
  const { clock, asked, world, housekeeping } = stage();
  await clock.advance(hour - 1);
  expect(asked).toEqual([]);
  await clock.advance(1);
  expect(asked).toEqual([["app@sha256:1", "built@sha256:3", "fresh@sha256:4", "old@sha256:9"]]);
  world.digests = [undefined, "app@sha256:2"];
  world.built = [];
  await clock.advance(hour);
  expect(asked[1]?.toSorted()).toEqual(["app@sha256:1", "app@sha256:2", "fresh@sha256:4", "old@sha256:9"]);
  await housekeeping.stop();
  expect(clock.pending).toBe(0);
});

test("startImageHousekeeping() removes nothing where it can't tell what is needed, and tries again", async () => {
  const { clock, asked, world, housekeeping } = stage();
  world.fails = true;
  await clock.advance(hour);
  await settle();
  expect(asked).toEqual([]);
  world.fails = false;
  await clock.advance(hour);
  expect(asked).toHaveLength(1);
  await housekeeping.stop();
});
