import { expect, test } from "vitest";
import type { ImagePull, WorkloadState } from "../../runtime/workloads.ts";
import { createNotices } from "./notices.ts";

const image = "registry.example/app@sha256:0";
const pull: ImagePull = { image, startedAt: 1_000, bytes: 0 };

function workload(...pulls: (ImagePull | undefined)[]): WorkloadState {
  const key = { namespace: "default", name: "app-00001" };
  const instances = pulls.map((one, index) => ({
    id: `app-00001-${index}`,
    phase: "creating" as const,
    image,
    labels: {},
    createdAt: 0,
    restarts: 0,
    ...(one === undefined ? {} : { pull: one }),
  }));
  return { key, desired: 1, instances };
}

test("look() tells a pull once when it begins and once when it is over, with its size", () => {
  const watch = createNotices();
  const look = (state: WorkloadState) => watch.look("default/app-00001", state);
  expect(look(workload(undefined))).toEqual([]);
  const pulling = { type: "Normal", reason: "Pulling", message: `Pulling image "${image}"` };
  expect(look(workload(pull))).toEqual([pulling]);
  expect(look(workload({ ...pull, bytes: 5_000_000 }))).toEqual([]);
  const ended = { ...pull, bytes: 5_242_880, endedAt: 3_500 };
  const message = `Pulled image "${image}": 5 MiB in 2.5 s`;
  expect(look(workload(ended))).toEqual([{ type: "Normal", reason: "Pulled", message }]);
  expect(look(workload(ended, undefined))).toEqual([]);
});

test("look() tells both at once where the pull was over before anyone looked, and again for the next pull", () => {
  const watch = createNotices();
  const ended = { ...pull, bytes: 12, endedAt: 1_100 };
  const reasons = (state: WorkloadState) => watch.look("default/app-00001", state).map(({ reason }) => reason);
  expect(reasons(workload(ended))).toEqual(["Pulling", "Pulled"]);
  expect(reasons(workload({ ...ended, startedAt: 9_000, endedAt: 9_100 }))).toEqual(["Pulling", "Pulled"]);
  expect(watch.look("default/app-00001", undefined)).toEqual([]);
});

test("look() tells once why an instance is replaced", () => {
  const notices = createNotices();
  const state = workload(undefined, undefined);
  const [first] = state.instances;
  if (first !== undefined) first.replaced = "it hangs";
  const message = 'Instance "app-00001-0" is replaced: it hangs';
  expect(notices.look("default/app-00001", state)).toEqual([{ type: "Warning", reason: "InstanceReplaced", message }]);
  expect(notices.look("default/app-00001", state)).toEqual([]);
});
