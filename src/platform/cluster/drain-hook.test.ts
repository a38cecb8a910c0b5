import { afterEach, describe, expect, test } from "vitest";
import { silentLog } from "../../lib/log.ts";
import type { WorkloadKey } from "../../runtime/workloads.ts";
import { createDrainHook } from "./drain-hook.ts";
import { listen } from "./listen.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => void (await Promise.all(open.splice(0).map((one) => one.close()))));

/** A controller's end; it leads where `drained` is given. */
async function controller(drained?: (key: WorkloadKey) => Promise<void>, leader?: () => string | undefined) {
  const server = createDrainHook({
    log: silentLog,
    drained: (key) => drained?.(key),
    leader: leader ?? (() => undefined),
  });
  const listening = await listen(server, 0);
  open.push(listening);
  return `127.0.0.1:${listening.port}`;
}

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
    expect(await ask(await controller(undefined, () => former))).toBe("503 as the leader says");
    // Two that each take the other for the leader.
    const places: string[] = [];
    places.push(await controller(undefined, () => places[1]), await controller(undefined, () => places[0]));
    expect(await ask(places[0] ?? "")).toBe("503 as the leader says");
  });

  test("createDrainHook() lets the kubelet go on where it can't be said", async () => {
    expect(await ask(await controller())).toBe("503 nobody leads");
    expect(await ask(await controller(undefined, () => "127.0.0.1:1"))).toBe("502 the leader can't be reached");
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
