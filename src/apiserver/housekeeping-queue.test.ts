import { expect, test } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { KeyQueue } from "./housekeeping-queue.ts";

test("stop() resolves for everybody who calls it, when what runs has ended", async () => {
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const work = (): Promise<void> => {
    begun.resolve();
    return gate.promise;
  };
  const queue = new KeyQueue({ name: "test", clock: systemClock, log: silentLog, work });
  queue.add("a");
  await begun.promise;
  const ended: string[] = [];
  const both = ["first", "second"].map((who) => queue.stop().then(() => ended.push(who)));
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toEqual([]);
  gate.resolve();
  await Promise.all(both);
  expect(ended).toEqual(["first", "second"]);
});
