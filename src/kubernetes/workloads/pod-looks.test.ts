import { expect, test } from "vitest";
import { manualClock, settle } from "../../../test/support/manual-clock.ts";
import type { Client } from "../../client/client.ts";
import { createPodLooks } from "./pod-looks.ts";

const key = { namespace: "n", name: "hello" };

/** A server that answers when the test says so. */
function setUp() {
  const clock = manualClock();
  const asked: { about: string; answer: (error?: Error) => void }[] = [];
  const list = ((_, { namespace, labelSelector } = {}) =>
    new Promise((resolve, reject) => {
      const answer = (error?: Error) =>
        error === undefined
          ? resolve({ apiVersion: "v1", kind: "PodList", items: [], metadata: { resourceVersion: "1" } })
          : reject(error);
      asked.push({ about: `${namespace} ${labelSelector}`, answer });
    })) as Client["list"];
  return { clock, asked, look: createPodLooks({ list }, clock) };
}

test("createPodLooks() asks once for all who ask before that begins, and again for those who come later", async () => {
  const { clock, asked, look } = setUp();
  const first = [look(key), look(key)];
  await settle();
  expect(asked.map(({ about }) => about)).toEqual(["n elafros.dev/revision=hello"]);
  // What the first call finds may be older than these questions.
  const later = [look(key), look(key)];
  const other = look({ ...key, name: "other" });
  await settle();
  expect(asked).toHaveLength(2);
  for (const { answer } of asked) answer();
  await Promise.all([...first, other]);
  await clock.advance(99);
  expect(asked).toHaveLength(2);
  await clock.advance(1);
  expect(asked).toHaveLength(3);
  asked[2]?.answer();
  await Promise.all(later);
  await clock.advance(1_000);
  const afterwards = look(key);
  await settle();
  asked[3]?.answer();
  expect(await afterwards).toEqual([]);
});

test("createPodLooks() tells a failure to those who asked for it, and asks again for others", async () => {
  const { clock, asked, look } = setUp();
  const failed = look(key);
  await settle();
  asked[0]?.answer(new Error("away"));
  await expect(failed).rejects.toThrow("away");
  const again = look(key);
  await clock.advance(100);
  asked[1]?.answer();
  expect(await again).toEqual([]);
});
