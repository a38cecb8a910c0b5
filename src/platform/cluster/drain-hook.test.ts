import { afterEach, describe, expect, test } from "vitest";
import type { Clock } from "../../lib/clock.ts";
import { silentLog } from "../../lib/log.ts";
import type { WorkloadKey } from "../../runtime/workloads.ts";
import { createDrainHook } from "./drain-hook.ts";
import { listen } from "./listen.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => void (await Promise.all(open.splice(0).map((one) => one.close()))));

/** Whoever waits for a time has it at once. */
function quickClock(): Clock {
  let time = 0;
  return {
    now: () => time,
    after(ms, callback) {
      const timer = setImmediate(() => {
        time += ms;
        callback();
      });
      return () => clearImmediate(timer);
    },
  };
}

/** A controller's end; it leads where `drained` gives something. */
async function controllerEnd(
  drained: (key: WorkloadKey) => Promise<void> | undefined = () => undefined,
  leader: () => string | undefined = () => undefined,
) {
  const hook = createDrainHook({ clock: quickClock(), log: silentLog, drained, leader });
  const listening = await listen(hook.server, 0);
  open.push(listening);
  return { hook, at: `127.0.0.1:${listening.port}`, close: () => listening.close() };
}

const controller = async (...parts: Parameters<typeof controllerEnd>) => (await controllerEnd(...parts)).at;

const ask = async (at: string, path = "/drained/n/hello-00001", init: RequestInit = {}) => {
  const response = await fetch(`http://${at}${path}`, init);
  return `${response.status} ${(await response.text()).trim()}`;
};

describe("createDrainHook", () => {
  test("createDrainHook() answers the kubelet once the Revision's ending Pods are drained", async () => {
    const gate = Promise.withResolvers<void>();
    const asked: WorkloadKey[] = [];
    const at = await controller((key) => {
      asked.push(key);
      return gate.promise;
    });
    let answered = false;
    const answer = ask(at).finally(() => (answered = true));
    await expect.poll(() => asked).toEqual([{ namespace: "n", name: "hello-00001" }]);
    expect(answered).toBe(false);
    gate.resolve();
    expect(await answer).toBe("200 drained");
  });

  test("createDrainHook() passes the question on to the one that leads, once", async () => {
    const leader = await controller(() => Promise.resolve());
    expect(await ask(await controller(undefined, () => leader))).toBe("200 as the leader says");
    const former = await controller();
    expect(await ask(await controller(undefined, () => former))).toBe("503 nobody leads");
    // Two that each take the other for the leader.
    const places: string[] = [];
    places.push(await controller(undefined, () => places[1]), await controller(undefined, () => places[0]));
    expect(await ask(places[0] ?? "")).toBe("503 nobody leads");
  });

  test("createDrainHook() asks the next one that leads where the one that was asked goes", async () => {
    const asked = Promise.withResolvers<void>();
    const first = await controllerEnd(() => (asked.resolve(), new Promise(() => {})));
    let leader: string | undefined = first.at;
    const answer = ask(await controller(undefined, () => leader));
    await asked.promise;
    leader = await controller(() => Promise.resolve());
    await first.close();
    expect(await answer).toBe("200 as the leader says");
  });

  test("createDrainHook() waits where nobody leads for a while, be it for itself", async () => {
    let looks = 0;
    const leads = () => ((looks += 1) > 10 ? Promise.resolve() : undefined);
    expect(await ask(await controller(leads))).toBe("200 drained");
  });

  test("quiet() waits for those who wait for an answer, but not for ever", async () => {
    const gate = Promise.withResolvers<void>();
    let asked = false;
    const { hook, at } = await controllerEnd(() => ((asked = true), gate.promise));
    await hook.quiet(1_000_000);
    const answer = ask(at);
    await expect.poll(() => asked).toBe(true);
    // The clock has no end of time.
    await hook.quiet(1);
    const still = { clock: { now: () => 0, after: () => () => {} }, log: silentLog, leader: () => undefined };
    const patient = createDrainHook({ ...still, drained: () => gate.promise });
    const listening = await listen(patient.server, 0);
    open.push(listening);
    const other = ask(`127.0.0.1:${listening.port}`);
    await expect.poll(() => new Promise((done) => patient.server.getConnections((_, count) => done(count)))).toBe(1);
    const quiet = patient.quiet(1);
    gate.resolve();
    expect(await Promise.all([answer, other])).toEqual(["200 drained", "200 drained"]);
    await quiet;
  });

  test("createDrainHook() lets the kubelet go on where it can't be said", async () => {
    expect(await ask(await controller())).toBe("503 nobody leads");
    expect(await ask(await controller(undefined, () => "127.0.0.1:1"))).toBe("503 nobody leads");
    expect(await ask(await controller(() => Promise.reject(new Error("away"))))).toBe("500 unknown");
  });

  test.each(["/", "/drained/n", "/drained/n/a/b", "/drained/N/a", "/drained/../a", "/drained/n/a?x=1"])(
    "createDrainHook() knows nothing at %s",
    async (path) => {
      expect(await ask(await controller(() => Promise.resolve()), path)).toBe("404 not found");
    },
  );

  test("createDrainHook() takes no other method", async () => {
    expect(await ask(await controller(() => Promise.resolve()), undefined, { method: "POST" })).toBe("404 not found");
  });
});
