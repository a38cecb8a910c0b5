import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { silentLog } from "../../lib/log.ts";
import type { WorkloadKey, WorkloadState } from "../../runtime/workloads.ts";
import { platformPaths } from "../config.ts";
import { keepStatusFile, readControlStatus } from "./status-file.ts";

const failing: WorkloadState = {
  key: { namespace: "shop", name: "cart-00001" },
  desired: 1,
  instances: [
    {
      id: "cart-00001-x",
      phase: "waiting",
      image: "a@sha256:0",
      labels: {},
      createdAt: Date.UTC(2026, 0, 1),
      restarts: 3,
    },
  ],
  problem: { reason: "ExitCode", code: 127, message: "no such command", at: 0 },
};

async function pathsOfTest() {
  const dir = await mkdtemp(join(tmpdir(), "elafros-status-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const paths = platformPaths(dir);
  await mkdir(paths.run);
  return paths;
}

test("keepStatusFile() tells instances, and problems in the words of conditions, a moment after each change", async () => {
  const paths = await pathsOfTest();
  const clock = manualClock();
  let workloads: WorkloadState[] = [];
  let changed: (key: WorkloadKey) => void = () => {};
  const driver = {
    list: () => workloads,
    subscribe: (listener: (key: WorkloadKey) => void) => {
      changed = listener;
      return () => {};
    },
  };
  const file = keepStatusFile({ paths, driver, clock, log: silentLog });
  workloads = [failing];
  changed(failing.key);
  await clock.advance(250);
  await file.stop();
  expect(await readControlStatus(paths)).toEqual({
    instances: [
      {
        id: "cart-00001-x",
        namespace: "shop",
        revision: "cart-00001",
        phase: "waiting",
        since: "2026-01-01T00:00:00Z",
        restarts: 3,
      },
    ],
    problems: ['Revision "cart-00001" in namespace "shop": ExitCode127: no such command'],
  });
});

test("readControlStatus() is empty where control never wrote", async () => {
  expect(await readControlStatus(await pathsOfTest())).toEqual({ instances: [], problems: [] });
});
