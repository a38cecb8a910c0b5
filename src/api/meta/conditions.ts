/**
 * Conditions are changed only through a condition set: it knows the kind's condition types, derives the happy one (`Ready`)
 * from those it depends on, moves `lastTransitionTime` only when a status changes, and keeps the list sorted by type.
 *
 * Lists go in and new lists come out; time is passed in.
 */
import { rfc3339 } from "../../lib/clock.ts";
import type { Condition, ConditionStatus } from "./types.ts";

/** The most characters of a message that are kept: what containers and registries say can be of any length. */
const maxMessage = 4096;

/** What is said about one aspect. */
interface Finding {
  status: ConditionStatus;
  reason?: string;
  message?: string;
  severity?: NonNullable<Condition["severity"]>;
}

export interface ConditionRules<Type extends string> {
  /** The condition that sums up the others. */
  happy: Type;
  /** Those that it needs, in the order in which their faults are told. One that was never marked counts as Unknown. */
  dependents: readonly Type[];
  /** Dependents that it needs only once they were marked. */
  optional?: readonly Type[];
  /** The happy condition's reason where this dependent is False. Default: the dependent's own. */
  reasons?: Partial<Record<Type, string>>;
  /** What the happy condition is while a dependent is Unknown and none is False. Default: Unknown. */
  whileUnknown?: ConditionStatus;
  /** Whether the happy condition, once True, stays True. Default: false. */
  lasting?: boolean;
}

/** A kind's conditions. `now` is in milliseconds since the epoch, as `Clock.now` gives it. */
export interface ConditionSet<Type extends string> {
  /** Every dependent that isn't there yet becomes Unknown, and so the happy one. */
  initialize(conditions: readonly Condition[] | undefined, now: number): Condition[];
  /** Says something about one aspect, and derives the happy condition where the aspect is one of its dependents. */
  mark(conditions: readonly Condition[] | undefined, type: Type, finding: Finding, now: number): Condition[];
}

/** The condition of a type, where there is one. */
export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether the condition of a type is there and True. */
export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === "True";
}

/** Whether two lists say the same, transition times included. */
export function sameConditions(a: readonly Condition[] | undefined, b: readonly Condition[] | undefined): boolean {
  return (a?.length ?? 0) === (b?.length ?? 0) && (a ?? []).every((one) => same(one, findCondition(b, one.type)));
}

function same(a: Condition, b: Condition | undefined): boolean {
  return (
    b !== undefined &&
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.severity === b.severity &&
    a.lastTransitionTime === b.lastTransitionTime
  );
}

/** The conditions of a kind by its rules. */
export function conditionSet<Type extends string>(rules: ConditionRules<Type>): ConditionSet<Type> {
  const { happy, dependents, optional = [], whileUnknown = "Unknown", lasting = false } = rules;
  const reasons: Partial<Record<Type, string>> = rules.reasons ?? {};
  const unmarked = (type: Type): Condition[] => (optional.includes(type) ? [] : [{ type, status: "Unknown" }]);

  function derive(conditions: readonly Condition[], now: number): Condition[] {
    if (lasting && isTrue(conditions, happy)) return [...conditions];
    const all = dependents.flatMap((type) => findCondition(conditions, type) ?? unmarked(type));
    const culprit = all.find(({ status }) => status === "False") ?? all.find(({ status }) => status === "Unknown");
    const named = dependents.find((type) => type === culprit?.type);
    const reason = culprit?.status !== "False" || named === undefined ? undefined : reasons[named];
    const found = summary(culprit, whileUnknown);
    return put(conditions, happy, reason === undefined ? found : { ...found, reason }, now);
  }

  return {
    initialize(conditions = [], now) {
      let all = [...conditions];
      for (const type of dependents) {
        if (findCondition(all, type) === undefined && !optional.includes(type))
          all = put(all, type, { status: "Unknown" }, now);
      }
      return derive(all, now);
    },
    mark(conditions = [], type, finding, now) {
      const changed = put(conditions, type, finding, now);
      return dependents.includes(type) ? derive(changed, now) : changed;
    },
  };
}

/** The happy condition, given the dependent that stands in its way. */
function summary(culprit: Condition | undefined, whileUnknown: ConditionStatus): Finding {
  if (culprit === undefined) return { status: "True" };
  return {
    status: culprit.status === "Unknown" ? whileUnknown : culprit.status,
    ...(culprit.reason === undefined ? {} : { reason: culprit.reason }),
    ...(culprit.message === undefined ? {} : { message: culprit.message }),
  };
}

function cut(message: string): string {
  return message.length <= maxMessage ? message : `${message.slice(0, maxMessage - 1)}…`;
}

function put(conditions: readonly Condition[], type: string, finding: Finding, now: number): Condition[] {
  const before = findCondition(conditions, type);
  const moved = before?.status !== finding.status || before.lastTransitionTime === undefined;
  const after: Condition = {
    type,
    ...finding,
    ...(finding.message === undefined ? {} : { message: cut(finding.message) }),
    lastTransitionTime: moved ? rfc3339(now) : (before.lastTransitionTime ?? rfc3339(now)),
  };
  return [...conditions.filter((condition) => condition.type !== type), after].sort((a, b) =>
    a.type < b.type ? -1 : a.type > b.type ? 1 : 0,
  );
}
