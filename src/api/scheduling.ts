/**
 * Where instances may run: annotations `scheduling.elafros.dev/…` of a Revision, written in the Configuration's template. A cluster's
 * scheduler follows them; on one machine, which is all the choice there is, they have no effect, so that the same manifests are good on both.
 */
import type { Cause } from "./meta/errors.ts";
import { forbidden, index, invalid } from "./meta/faults.ts";

/** The prefix of the annotations. */
export const schedulingPrefix = "scheduling.elafros.dev/";

/** A taint of nodes that instances put up with, as in core/v1. */
interface Toleration {
  key?: string;
  operator: "Equal" | "Exists";
  value?: string;
  effect?: string;
}

/** What a Revision's annotations say. */
export interface Scheduling {
  /** Labels that a node must have. */
  nodeSelector: Record<string, string>;
  tolerations: Toleration[];
}

/** A setting by its name below the prefix: the form of its text, and words for it. */
export interface SchedulingSetting {
  name: string;
  /** In the common language of RE2 and JavaScript. */
  pattern: string;
  words: string;
}

/** The longest text of a setting. */
export const mostSchedulingCharacters = 4096;

const part = (most: number) => `[A-Za-z0-9]([-A-Za-z0-9_.]{0,${most - 2}}[A-Za-z0-9])?`;
const label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
/** The key of a label or taint (Kubernetes' qualified name). */
const key = `(${label}(\\.${label})*/)?${part(63)}`;
const value = `(${part(63)})?`;
const effects = "NoSchedule|PreferNoSchedule|NoExecute";
const selected = `${key}=${value}`;
const tolerated = `(\\*|${key}(=${value})?)(:(${effects}))?`;
/** The item stands in it once: an API server counts what a pattern may cost by its length. So a comma may end the list. */
const list = (item: string) => `^(${item}(, *|$))+$`;

const nodeSelector: SchedulingSetting = {
  name: "node-selector",
  pattern: list(selected),
  words: "must be labels of nodes such as disk=ssd,topology.kubernetes.io/zone=b",
};
const tolerations: SchedulingSetting = {
  name: "tolerations",
  pattern: list(tolerated),
  words: `must be taints such as dedicated=web:NoSchedule,spot (KEY, KEY=VALUE or *, each with :EFFECT or without; effects are ${effects.replaceAll("|", ", ")})`,
};

/** All of them. */
export const schedulingSettings: readonly SchedulingSetting[] = [nodeSelector, tolerations];

const forms = new Map(schedulingSettings.map(({ name, pattern }) => [name, new RegExp(pattern)]));

function isFormed(name: string, text: string): boolean {
  return text.length <= mostSchedulingCharacters && forms.get(name)?.test(text) === true;
}

/** What the annotations of a Revision say. What isn't readable, which is refused where it is written, counts as absent; of a label that is named twice the later value counts. */
export function schedulingOf(annotations: Readonly<Record<string, string>> | undefined): Scheduling {
  const items = ({ name }: SchedulingSetting): string[] => {
    const text = annotations?.[schedulingPrefix + name];
    return text !== undefined && isFormed(name, text) ? text.split(/, */).filter((item) => item !== "") : [];
  };
  return {
    nodeSelector: Object.fromEntries(items(nodeSelector).map(keyAndValue)),
    tolerations: items(tolerations).map(tolerationOf),
  };
}

function keyAndValue(text: string): [key: string, value: string] {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
}

function tolerationOf(text: string): Toleration {
  const [taint = "", effect] = text.split(":");
  const what: Toleration = taint.includes("=") ? equal(taint) : { operator: "Exists" };
  if (what.operator === "Exists" && taint !== "*") what.key = taint;
  return effect === undefined ? what : { ...what, effect };
}

function equal(taint: string): Toleration {
  const [named, wanted] = keyAndValue(taint);
  return { key: named, operator: "Equal", value: wanted };
}

/** The faults of the annotations at `path`: one for each that isn't known or isn't readable. */
export function validateScheduling(annotations: Record<string, string>, path: string): Cause[] {
  return namesOf(annotations).flatMap((name) => {
    const field = index(path, name);
    const text = annotations[name] ?? "";
    const setting = schedulingSettings.find((one) => schedulingPrefix + one.name === name);
    if (setting === undefined) {
      const known = schedulingSettings.map((one) => one.name).join(", ");
      return [forbidden(field, `no such setting: names under ${schedulingPrefix} are ${known}`)];
    }
    if (text.length > mostSchedulingCharacters) {
      return [invalid(field, text, `must have at most ${mostSchedulingCharacters} characters`)];
    }
    return isFormed(setting.name, text) ? [] : [invalid(field, text, setting.words)];
  });
}

/** The faults of a Configuration's own annotations: where its Revisions run stands in their template. */
export function refuseScheduling(annotations: Record<string, string>, path: string): Cause[] {
  return namesOf(annotations).map((name) =>
    forbidden(index(path, name), "has no effect here: set it in spec.revisionTemplate.metadata.annotations"),
  );
}

function namesOf(annotations: Record<string, string>): string[] {
  return Object.keys(annotations).filter((name) => name.toLowerCase().startsWith(schedulingPrefix));
}
