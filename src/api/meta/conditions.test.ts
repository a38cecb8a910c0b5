import { describe, expect, test } from "vitest";
import { conditionSet, findCondition, isTrue, sameConditions } from "./conditions.ts";

type Types = "Ready" | "A" | "B" | "Extra" | "Maybe";
const set = conditionSet<Types>({ happy: "Ready", dependents: ["A", "B", "Maybe"], optional: ["Maybe"] });
const t0 = Date.parse("2026-01-01T00:00:00Z");
const [at0, at1] = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"];

describe("conditionSet()", () => {
  test("starts with every dependent Unknown, sorted by type, without the optional ones", () => {
    expect(set.initialize(undefined, t0)).toEqual([
      { type: "A", status: "Unknown", lastTransitionTime: at0 },
      { type: "B", status: "Unknown", lastTransitionTime: at0 },
      { type: "Ready", status: "Unknown", lastTransitionTime: at0 },
    ]);
  });

  test("is happy when every dependent is True", () => {
    const one = set.mark(undefined, "A", { status: "True" }, t0);
    expect(findCondition(one, "Ready")?.status).toBe("Unknown");
    const both = set.mark(one, "B", { status: "True" }, t0);
    expect(isTrue(both, "Ready")).toBe(true);
    const more = set.mark(both, "Maybe", { status: "Unknown", reason: "Building" }, t0);
    expect(findCondition(more, "Ready")).toMatchObject({ status: "Unknown", reason: "Building" });
  });

  test("lets False beat Unknown, and tells the first False", () => {
    let conditions = set.mark(undefined, "A", { status: "Unknown", reason: "Waiting" }, t0);
    conditions = set.mark(conditions, "B", { status: "False", reason: "Broken", message: "why" }, t0);
    expect(findCondition(conditions, "Ready")).toMatchObject({ status: "False", reason: "Broken", message: "why" });
    conditions = set.mark(conditions, "A", { status: "False", reason: "Worse" }, t0);
    expect(findCondition(conditions, "Ready")).toEqual({
      type: "Ready",
      status: "False",
      reason: "Worse",
      lastTransitionTime: at0,
    });
  });

  test("moves the transition time only when the status changes", () => {
    const first = set.mark(undefined, "A", { status: "False", reason: "X" }, t0);
    const again = set.mark(first, "A", { status: "False", reason: "Y" }, t0 + 1000);
    expect(findCondition(again, "A")).toMatchObject({ reason: "Y", lastTransitionTime: at0 });
    const changed = set.mark(again, "A", { status: "True" }, t0 + 1000);
    expect(findCondition(changed, "A")).toEqual({ type: "A", status: "True", lastTransitionTime: at1 });
  });

  test("leaves the happy condition alone for others than its dependents", () => {
    const ready = set.mark(set.mark(undefined, "A", { status: "True" }, t0), "B", { status: "True" }, t0);
    const extra = set.mark(ready, "Extra", { status: "False", severity: "Info" }, t0);
    expect(isTrue(extra, "Ready")).toBe(true);
    expect(findCondition(extra, "Extra")).toMatchObject({ status: "False", severity: "Info" });
  });

  test("changes no list in place, and nothing at all when told the same again", () => {
    const before = set.initialize([], t0);
    const copy = structuredClone(before);
    const after = set.mark(before, "A", { status: "True" }, t0);
    expect(before).toEqual(copy);
    expect(set.mark(after, "A", { status: "True" }, t0 + 60_000)).toEqual(after);
    expect(sameConditions(after, set.mark(after, "A", { status: "True" }, t0 + 60_000))).toBe(true);
    expect(sameConditions(after, before)).toBe(false);
  });

  test("cuts messages that are too long to be stored", () => {
    const [condition] = set.mark(undefined, "Extra", { status: "False", message: "x".repeat(1_000_000) }, t0);
    expect(condition?.message).toHaveLength(4096);
    expect(condition?.message?.endsWith("x…")).toBe(true);
  });

  test("can keep the happy condition True for ever, and say False while working", () => {
    const lasting = conditionSet<Types>({ happy: "Ready", dependents: ["A"], whileUnknown: "False", lasting: true });
    const working = lasting.mark(undefined, "A", { status: "Unknown", reason: "Deploying", message: "m" }, t0);
    expect(findCondition(working, "Ready")).toMatchObject({ status: "False", reason: "Deploying", message: "m" });
    const ready = lasting.mark(working, "A", { status: "True" }, t0);
    const later = lasting.mark(ready, "A", { status: "False", reason: "ExitCode1" }, t0 + 1000);
    expect(findCondition(later, "Ready")).toEqual({ type: "Ready", status: "True", lastTransitionTime: at0 });
    expect(findCondition(later, "A")).toMatchObject({ status: "False", lastTransitionTime: at1 });
  });
});
