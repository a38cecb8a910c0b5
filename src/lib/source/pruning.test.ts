import { expect, it } from "vitest";
import { type PruneRules, unneededUploads } from "./pruning.ts";

const hour = 3_600_000;
const now = 1_000 * hour;
const rules: PruneRules = {
  keep: new Set(["a/sha256:named"]),
  namespaces: new Set(["a", "b"]),
  freshMs: hour,
  keepMs: 24 * hour,
  most: 2,
};
const uploads = (ages: Record<string, number>) =>
  Object.entries(ages).map(([name, hours]) => ({ digest: `sha256:${name}`, at: now - hours * hour }));

it.each<[string, string, Record<string, number>, string[]]>([
  ["what is named stays, however old", "a", { named: 900, old: 25 }, ["old"]],
  ["a name in one namespace is none in another", "b", { named: 900 }, ["named"]],
  ["what nobody names stays for a while, since its sender may be about to", "a", { one: 23, two: 24 }, []],
  [
    "of that the newest stay, whatever was put first",
    "a",
    { third: 5, first: 2, fourth: 6, second: 3 },
    ["third", "fourth"],
  ],
  ["what is named counts for none of these", "a", { named: 1, first: 2, second: 3 }, []],
  ["more than that stay where they are fresh", "a", { one: 0.1, two: 0.2, three: 1, four: 1.1 }, ["four"]],
  [
    "of a namespace that is gone all go but what is fresh: it may be newer than the list",
    "c",
    { one: 1, two: 1.1 },
    ["two"],
  ],
])("unneededUploads(): %s", (_, namespace, ages, expected) => {
  const found = unneededUploads({ namespace, uploads: uploads(ages) }, rules, now);
  expect(found.map(({ digest }) => digest.replace("sha256:", ""))).toEqual(expected);
});
