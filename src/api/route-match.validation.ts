/** Faults of `match` and `affinity` beyond their schemas. */
import { isForged } from "../lib/header-fields.ts";
import { durationWords, parseDuration } from "./meta/duration.ts";
import type { Cause } from "./meta/errors.ts";
import { at, index, invalid } from "./meta/faults.ts";
import type { AffinityRule, MatchTest } from "./route-match.ts";

/** RFC 9110 §5.6.2. */
const token = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;
const exactValue = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;
const prefixValue = /^[\x21-\x7e][\t\x20-\x7e]*$/;
/** RFC 6265 §4.1.1. */
const cookieValue = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/;

/** The longest time that browsers keep a cookie (RFC 6265bis §5.5): 400 days. */
const maxTtlMs = 400 * 24 * 3_600_000;

export function matchFaults(tests: readonly MatchTest[] | undefined, path: string): Cause[] {
  return (tests ?? []).flatMap((test, position) => testFaults(test, index(path, position)));
}

function testFaults({ header, cookie }: MatchTest, path: string): Cause[] {
  const faults = oneOf({ header, cookie }, path);
  if (header !== undefined) {
    const field = at(path, "header");
    faults.push(
      ...headerNameFaults(header.name, at(field, "name")),
      ...oneOf({ exact: header.exact, prefix: header.prefix }, field),
      ...formFaults(header.exact, at(field, "exact"), exactForm),
      ...formFaults(header.prefix, at(field, "prefix"), prefixForm),
    );
  }
  if (cookie !== undefined) {
    const field = at(path, "cookie");
    faults.push(
      ...formFaults(cookie.name, at(field, "name"), cookieNameForm),
      ...formFaults(cookie.exact, at(field, "exact"), cookieForm),
    );
  }
  return faults;
}

export function affinityFaults(affinity: AffinityRule | undefined, path: string): Cause[] {
  if (affinity === undefined) return [];
  const { header, cookie } = affinity;
  const faults = oneOf({ cookie, header }, path);
  if (header !== undefined) faults.push(...headerNameFaults(header.name, at(at(path, "header"), "name")));
  if (cookie !== undefined) {
    const field = at(path, "cookie");
    faults.push(
      ...formFaults(cookie.name, at(field, "name"), cookieNameForm),
      ...secureFaults(cookie.name, at(field, "name")),
      ...ttlFaults(cookie.ttl, at(field, "ttl")),
    );
  }
  return faults;
}

interface Form {
  pattern: RegExp;
  words: string;
}

const nameForm: Form = { pattern: token, words: "must be the name of a header field, such as X-Group (RFC 9110 §5.1)" };
const cookieNameForm: Form = { pattern: token, words: "must be the name of a cookie, such as group (RFC 6265 §4.1.1)" };
const exactForm: Form = {
  pattern: exactValue,
  words: "must be printable ASCII without space at its ends, which field values don't have",
};
const prefixForm: Form = {
  pattern: prefixValue,
  words: "must be printable ASCII without space at its beginning, which field values don't have",
};
const cookieForm: Form = {
  pattern: cookieValue,
  words:
    "must be printable ASCII without space, quotes, comma, semicolon and backslash, as cookies are (RFC 6265 §4.1.1)",
};

function formFaults(value: string | undefined, field: string, { pattern, words }: Form): Cause[] {
  return value === undefined || value === "" || pattern.test(value) ? [] : [invalid(field, value, words)];
}

function headerNameFaults(name: string, field: string): Cause[] {
  const faults = formFaults(name, field, nameForm);
  if (faults.length > 0 || !isForged(name.toLowerCase().replaceAll("_", "-"))) return faults;
  return [
    invalid(field, name, "is a field that gateways write or drop themselves: choose one that clients send to the app"),
  ];
}

/** Browsers take cookies with these prefixes only with attributes that an address without TLS can't give them. */
function secureFaults(name: string, field: string): Cause[] {
  if (!/^__(?:secure|host)-/i.test(name)) return [];
  return [
    invalid(field, name, "is a name that browsers only take over HTTPS: choose one without __Secure- or __Host-"),
  ];
}

function ttlFaults(ttl: string | undefined, field: string): Cause[] {
  if (ttl === undefined) return [];
  const ms = parseDuration(ttl);
  if (ms === undefined) return [invalid(field, ttl, durationWords)];
  if (ms < 0 || (ms > 0 && ms < 1_000)) return [invalid(field, ttl, "must be 0s, or at least 1s")];
  return ms > maxTtlMs ? [invalid(field, ttl, "must be less than or equal to 9600h")] : [];
}

/** A fault where not exactly one of two fields is set. */
function oneOf(fields: Record<string, unknown>, path: string): Cause[] {
  const names = Object.keys(fields);
  const set = names.filter((name) => fields[name] !== undefined);
  if (set.length === 1) return [];
  const words = set.length === 0 ? "neither is set" : "both are set";
  return [invalid(path, fields, `must have exactly one of ${names.join(" and ")}: ${words}`)];
}
