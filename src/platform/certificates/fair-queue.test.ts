import { describe, expect, it } from "vitest";
import { FairQueue } from "./fair-queue.ts";

function drain(queue: FairQueue<string>): string[] {
  const taken: string[] = [];
  for (let next = queue.next(); next !== undefined; next = queue.next()) taken.push(next.item);
  return taken;
}

describe("FairQueue", () => {
  it("gives each group its turn, and each group's in their order", () => {
    const queue = new FairQueue<string>({ atOnce: 10, perGroup: 10 });
    for (const item of ["a1", "a2", "a3", "b1", "a4", "c1", "b2"]) queue.add(item.slice(0, 1), item);
    expect(drain(queue)).toEqual(["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
  });

  it("works on no more at once than it may, of one group and in all", () => {
    const queue = new FairQueue<string>({ atOnce: 3, perGroup: 2 });
    for (const item of ["a1", "a2", "a3", "a4"]) queue.add("a", item);
    expect(drain(queue)).toEqual(["a1", "a2"]);
    queue.add("b", "b1");
    queue.add("c", "c1");
    expect(drain(queue)).toEqual(["b1"]);
    queue.done("a");
    // One of "a" may go on, but "c" was passed over by nobody so far.
    expect(drain(queue)).toEqual(["a3"]);
    queue.done("b");
    expect(drain(queue)).toEqual(["c1"]);
    queue.done("a");
    queue.done("a");
    expect(drain(queue)).toEqual(["a4"]);
    queue.done("a");
    queue.done("c");
    expect(drain(queue)).toEqual([]);
  });
});
