/**
 * The forms of names, paths, quantities and durations as patterns, for the schemas of a cluster. They say what the checks of `src/api` say, in
 * the common language of Go's RE2 and JavaScript, without look-ahead.
 */
import type { Overlay, Rule } from "./crd-schema.ts";

/** A form that values have, and what to say of one that hasn't. */
export interface Form {
  pattern: string;
  words: string;
}

const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

export const dns1035Label: Form = {
  pattern: "^[a-z]([-a-z0-9]*[a-z0-9])?$",
  words: "must be a DNS label: lower case letters, digits and '-', beginning with a letter and not ending with '-'",
};
export const dns1123Label: Form = {
  pattern: `^${label}$`,
  words: "must be a DNS label: lower case letters, digits and '-', with a letter or digit at both ends",
};
export const dns1123Subdomain: Form = {
  pattern: `^${label}(\\.${label})*$`,
  words: "must be a DNS name: labels of lower case letters, digits and '-', separated by dots",
};
export const envName = "^[-._a-zA-Z][-._a-zA-Z0-9]*$";
export const dataKey = "^\\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$";
export const noNul = "^[^\\x00]*$";
const unit = "([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?";
const amount = `^\\+?([0-9]+\\.?[0-9]*|\\.[0-9]+)${unit}$`;
/** An amount that isn't zero: one digit isn't. */
const limit = `^\\+?([0-9]*[1-9][0-9]*\\.?[0-9]*|[0-9]*\\.[0-9]*[1-9][0-9]*)${unit}$`;
export const parameterName = "^[A-Za-z_][A-Za-z0-9_-]*$";
/** RFC 9110 §5.6.2. */
export const token = "^[-!#$%&'*+.^_`|~0-9A-Za-z]+$";

/** A part of a path that is neither empty nor `.` nor `..`. */
const part = "([^./\\x00][^/\\x00]*|\\.[^./\\x00][^/\\x00]*|\\.\\.[^/\\x00]+)";
export const absolutePath: Form = {
  pattern: `^/(${part}(/${part})*/?)?$`,
  words: "must be an absolute path without '//', '.' and '..'",
};
const anyPart = `(${part}|\\.)`;
/** A path that doesn't leave the directory that it is in. */
export const relativePath = `^${anyPart}(/${anyPart}?)*$`;

const host =
  "(\\[[a-fA-F0-9:]+\\]|[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(:[0-9]{1,5})?";
const component = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*";
const digest = "(sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})";
export const image: Form = {
  pattern: `^(${host}/)?${component}(/${component})*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@${digest})?$`,
  words: "must be an image reference such as registry.example/app:1.2 or registry.example/app@sha256:…",
};

export const duration: Form = {
  pattern: "^[-+]?(0|(([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$",
  words: "must be a duration such as 90s, 1m30s or 0s",
};

/** Accepts the empty string too, which counts as nothing in many fields. */
export function orEmpty(pattern: string): string {
  return `^$|${pattern}`;
}

/** Accepts what holds a placeholder of a BuildTemplate: what will stand there is known when it is built. */
export function orOpen(pattern: string): string {
  return `${pattern}|\\$\\{`;
}

/** A text of CEL. */
export function quoted(text: string): string {
  return text.includes("'") ? `r"${text}"` : `r'${text}'`;
}

/** A rule that a text has a form, or is empty. */
function formRule({ pattern, words }: Form): Rule {
  return { rule: `self.matches(${quoted(orEmpty(pattern))})`, message: words };
}

/** The same at one place. */
export function formAt(at: string, form: Form): Overlay {
  return { at, rules: [formRule(form)] };
}

/** What a quantity must be at one place: an amount, or a limit, which isn't zero. It is a text or a whole number. */
export function quantityAt(at: string, meaning: "amount" | "limit"): Overlay {
  return meaning === "limit" ? { at, pattern: limit, minimum: 1 } : { at, pattern: amount, minimum: 0 };
}

/** A rule that exactly one of the fields is set. */
export function exactlyOne(fields: readonly string[]): Rule {
  const set = fields.map((field) => `has(self.${field})`).join(", ");
  const names = `${fields.slice(0, -1).join(", ")} and ${fields.at(-1)}`;
  return { rule: `[${set}].exists_one(set, set)`, message: `must have exactly one of ${names}` };
}

/** A rule about how long a duration is; what is no duration has a rule of its own. Bounds are texts such as `168h`; `zero` is fine besides. */
export function durationRules(check: {
  at: string;
  least: string;
  most: string;
  words: string;
  zero?: boolean;
}): Overlay {
  const { at, least, most, words, zero = false } = check;
  const form = quoted(duration.pattern);
  const bounds = `(duration(self) >= duration('${least}') && duration(self) <= duration('${most}'))`;
  return {
    at,
    rules: [
      { rule: `self.matches(${form})`, message: duration.words },
      {
        rule: `!self.matches(${form}) || ${zero ? "duration(self) == duration('0s') || " : ""}${bounds}`,
        message: words,
      },
    ],
  };
}
