import { expect, test } from "vitest";
import { covers } from "./covers.ts";
import { type PlannedPod, planScale, type ScalePlan } from "./plan.ts";

/** `r` ready, `-` not, `d` draining, `D` drained; from the oldest to the youngest. */
const pods = (text: string): PlannedPod[] =>
  text.split("").map((letter, index) => ({
    name: String(index),
    ready: letter !== "-",
    draining: letter === "d" || letter === "D",
    drained: letter === "D",
    createdAt: index,
  }));

const nothing = { drain: [], keep: [], expend: [] };

type Row = [what: string, count: number, replicas: number | undefined, pods: string, plan: Partial<ScalePlan>];

test.each<Row>([
  ["the first start", 1, undefined, "", { replicas: 1 }],
  ["nothing to do", 2, 2, "rr", { replicas: 2 }],
  ["more", 5, 2, "rr", { replicas: 5 }],
  ["fewer: the youngest is drained first", 1, 2, "rr", { replicas: 2, drain: ["1"] }],
  ["fewer, while it drains", 1, 2, "rd", { replicas: 2 }],
  ["fewer, once it is drained", 1, 2, "rD", { replicas: 1, expend: ["1"] }],
  ["fewer, told and not done yet", 1, 1, "rD", { replicas: 1, expend: ["1"] }],
  ["fewer: what isn't ready goes at once", 1, 2, "-r", { replicas: 1 }],
  ["fewer: some at once, some later", 1, 4, "r-rr", { replicas: 3, drain: ["3", "2"] }],
  ["each once it is drained", 0, 3, "rDd", { replicas: 2, drain: ["0"], expend: ["1"] }],
  ["one that drains already before a younger", 1, 2, "dr", { replicas: 2 }],
  ["more again: it is kept", 2, 2, "rd", { replicas: 2, keep: ["1"] }],
  ["another went instead", 1, 1, "D", { replicas: 1, keep: ["0"] }],
  ["a rollout's surge", 2, 2, "rrr", { replicas: 2 }],
  ["fewer during a rollout: the new one that isn't ready", 1, 2, "rr-", { replicas: 1 }],
  ["none, once all are drained: there is nothing to choose", 0, 2, "DD", { replicas: 0 }],
  ["none, while Pods are still to be made", 0, 3, "r", { replicas: 1, drain: ["0"] }],
  ["none, and none is there", 0, 3, "", { replicas: 0 }],
])("planScale() of %s", (...row) => {
  const [, count, replicas, text, expected] = row;
  expect(planScale(count, replicas, pods(text))).toEqual({ ...nothing, ...expected });
});

test.each<[string, unknown, unknown, boolean]>([
  ["defaults of the server", { a: 1, b: { c: 2, d: 3 } }, { b: { c: 2 } }, true],
  ["another value", { a: 1 }, { a: 2 }, false],
  ["a missing field", { a: 1 }, { b: { c: 1 } }, false],
  ["defaults in lists", { a: [{ n: 1, x: 2 }] }, { a: [{ n: 1 }] }, true],
  ["an entry more", { a: [1, 2] }, { a: [1] }, false],
  ["an empty object", { a: {} }, { a: {} }, true],
  ["no object", { a: null }, { a: {} }, false],
])("covers() sees %s", (_, live, wanted, expected) => {
  expect(covers(live, wanted)).toBe(expected);
});
