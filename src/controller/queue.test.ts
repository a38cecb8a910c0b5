import { describe, expect, it } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { createQueue } from "./queue.ts";

/** Takes what is ready now, giving each key back at once. */
async function drain(queue: ReturnType<typeof createQueue>): Promise<string[]> {
  const keys: string[] = [];
  while (queue.length > 0) {
    const key = await queue.take();
    if (key === undefined) break;
    keys.push(key);
    queue.done(key);
  }
  return keys;
}

describe("createQueue()", () => {
  it("hands keys out first in, first out, each once however often it was added", async () => {
    const queue = createQueue({ clock: manualClock() });
    for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
    expect(await drain(queue)).toEqual(["a", "b", "c"]);
  });

  it("never hands a key out twice at once, and again after it was dirtied meanwhile", async () => {
    const queue = createQueue({ clock: manualClock() });
    queue.add("a");
    expect(await queue.take()).toBe("a");
    queue.add("a");
    queue.add("a");
    expect(queue.length).toBe(0);
    const next = queue.take();
    queue.done("a");
    expect(await next).toBe("a");
    queue.done("a");
    expect(queue.idle).toBe(true);
  });

  it("gives waiting workers their keys in the order in which they asked", async () => {
    const queue = createQueue({ clock: manualClock() });
    const [first, second] = [queue.take(), queue.take()];
    queue.add("a");
    queue.add("b");
    expect(await Promise.all([first, second])).toEqual(["a", "b"]);
  });

  it("prefers the fast lane, without starving the slow one", async () => {
    const queue = createQueue({ clock: manualClock() });
    queue.add("resync", "slow");
    for (let index = 0; index < 20; index += 1) queue.add(`change-${index}`);
    const order = await drain(queue);
    expect(order[0]).toBe("change-0");
    expect(order.indexOf("resync")).toBe(8);
    expect(order).toHaveLength(21);
  });

  it("moves a key from the slow lane to the fast one", async () => {
    const queue = createQueue({ clock: manualClock() });
    queue.add("x", "slow");
    queue.add("y", "slow");
    queue.add("y");
    expect(await drain(queue)).toEqual(["y", "x"]);
  });

  it("adds a key after its delay; of several delays the earliest counts", async () => {
    const clock = manualClock();
    const queue = createQueue({ clock });
    queue.addAfter("a", 1_000);
    queue.addAfter("a", 200);
    queue.addAfter("a", 5_000);
    await clock.advance(199);
    expect(queue.length).toBe(0);
    await clock.advance(1);
    expect(await drain(queue)).toEqual(["a"]);
    await clock.advance(10_000);
    expect(queue.length).toBe(0);
  });

  it("doubles the delay with each failure of a key, up to a limit, until it is forgotten", () => {
    const queue = createQueue({
      clock: manualClock(),
      backoff: { baseMs: 10, maxMs: 60, jitter: 0 },
    });
    expect([1, 2, 3, 4, 5].map(() => queue.addFailed("a"))).toEqual([10, 20, 40, 60, 60]);
    expect(queue.addFailed("b")).toBe(10);
    queue.forget("a");
    expect(queue.addFailed("a")).toBe(10);
  });

  it("ends waiting workers when it closes, and takes nothing more", async () => {
    const clock = manualClock();
    const queue = createQueue({ clock });
    const waiting = queue.take();
    queue.addAfter("later", 10);
    queue.close();
    expect(await waiting).toBeUndefined();
    queue.add("a");
    expect(await queue.take()).toBeUndefined();
    expect(clock.pending).toBe(0);
  });
});
