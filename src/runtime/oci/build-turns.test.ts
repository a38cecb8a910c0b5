import { expect, test } from "vitest";
import { createTurns } from "./build-turns.ts";

const build = (namespace: string, name: string) => ({ record: { key: { namespace, name } } });
const shown = (builds: Iterable<ReturnType<typeof build>>) => [...builds].map(({ record }) => record.key.name);

test("builds of one namespace begin in the order in which they came", () => {
  const turns = createTurns<ReturnType<typeof build>>();
  const all = ["a", "b", "c", "d"].map((name) => build("one", name));
  for (const each of all) turns.add(each);
  const [a = build("", ""), , c = a] = all;
  turns.begin(a);
  expect(shown(turns.queue())).toEqual(["b", "c", "d"]);
  expect(turns.before(c)).toBe(1);
  expect(turns.remove(c)).toBe(true);
  expect(turns.remove(a)).toBe(false);
  expect(turns.before(c)).toBeUndefined();
  expect([shown(turns.queue()), shown(turns.running)]).toEqual([["b", "d"], []]);
});

test("a namespace that asks for much lets others in between", () => {
  const turns = createTurns<ReturnType<typeof build>>();
  const mine = ["a", "b", "c", "d"].map((name) => build("much", name));
  for (const each of mine) turns.add(each);
  const [a = build("", ""), b = a] = mine;
  turns.begin(a);
  turns.begin(b);
  for (const name of ["x", "y", "z"]) turns.add(build("little", name));
  turns.add(build("less", "p"));
  // Two of "much" run already.
  expect(shown(turns.queue())).toEqual(["x", "p", "y", "c", "z", "d"]);
  turns.remove(a);
  expect(shown(turns.queue())).toEqual(["x", "p", "c", "y", "d", "z"]);
});
