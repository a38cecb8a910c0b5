import { describe, expect, it } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { serviceBench } from "../../test/support/service.ts";
import { Event } from "../api/event.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { inProcessClient } from "../client/in-process.ts";
import { silentLog } from "../lib/log.ts";
import { createEventRecorder } from "./events.ts";
import type { PlannedEvent } from "./plan.ts";

const route: KubeObject = {
  apiVersion: "elafros.dev/v1alpha1",
  kind: "Route",
  metadata: { name: "web", namespace: "default", uid: "u-1", resourceVersion: "5" },
};
const crash: PlannedEvent = { type: "Warning", reason: "ExitCode1", message: "boom" };

async function bench() {
  const clock = manualClock();
  const { service } = await serviceBench({ clock });
  const client = inProcessClient(service, { username: "system:controller", groups: [] });
  const recorder = () => createEventRecorder({ client, clock, log: silentLog, component: "elafros-controller" });
  const events = async () => (await client.list(Event, { namespace: "default" })).items;
  return { clock, recorder, events };
}

describe("createEventRecorder()", () => {
  it("writes what Kubernetes writes", async () => {
    const { recorder, events } = await bench();
    const one = recorder();
    one.record(route, crash);
    await one.flush();
    expect(await events()).toMatchObject([
      {
        metadata: { namespace: "default", name: expect.stringMatching(/^web\.[0-9a-f]{16}$/) as string },
        involvedObject: {
          apiVersion: "elafros.dev/v1alpha1",
          kind: "Route",
          namespace: "default",
          name: "web",
          uid: "u-1",
          resourceVersion: "5",
        },
        type: "Warning",
        reason: "ExitCode1",
        message: "boom",
        count: 1,
        source: { component: "elafros-controller" },
        firstTimestamp: "2026-01-01T00:00:00Z",
        lastTimestamp: "2026-01-01T00:00:00Z",
      },
    ]);
  });

  it("counts what is said again on the first Event, also after a restart", async () => {
    const { recorder, events, clock } = await bench();
    const before = recorder();
    before.record(route, crash);
    before.record(route, { ...crash, message: "other" });
    before.record(route, crash);
    await before.flush();
    await clock.advance(60_000);
    const after = recorder();
    after.record(route, crash);
    await after.flush();
    const found = (await events()).toSorted((a, b) => (a.message ?? "").localeCompare(b.message ?? ""));
    expect(found.map(({ message, count }) => `${message} ${count}`)).toEqual(["boom 3", "other 1"]);
    expect(found[0]).toMatchObject({
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:01:00Z",
    });
  });

  it("tells once what is to be told once", async () => {
    const { recorder, events } = await bench();
    const one = recorder();
    for (let time = 0; time < 3; time += 1) one.record(route, { ...crash, once: true });
    await one.flush();
    expect((await events()).map(({ count }) => count)).toEqual([1]);
  });

  it("lets an object say 25 things at once, then one each five minutes", async () => {
    const { recorder, events, clock } = await bench();
    const one = recorder();
    for (let time = 0; time < 40; time += 1) one.record(route, { ...crash, message: `crash ${time}` });
    await one.flush();
    expect(await events()).toHaveLength(25);
    one.record({ ...route, metadata: { ...route.metadata, uid: "u-2" } }, crash);
    await clock.advance(300_000);
    one.record(route, { ...crash, message: "later" });
    one.record(route, { ...crash, message: "too many again" });
    await one.flush();
    expect((await events()).map(({ message }) => message)).toEqual(expect.arrayContaining(["boom", "later"]));
    expect(await events()).toHaveLength(27);
  });
});
