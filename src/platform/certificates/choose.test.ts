import { expect, it } from "vitest";
import { chooseIssuer } from "./choose.ts";
import type { Issuer } from "./issuer.ts";

const issuer = (name: string): Issuer => ({
  name,
  atOnce: 1,
  atOncePerNamespace: 1,
  retry: { baseMs: 1, maxMs: 1 },
  namesFor: ({ names }) => names,
  issue: () => Promise.reject(new Error("Nothing is issued here")),
});

it.each([
  [["web.ns.apps.org", "next.web.ns.apps.org"], "acme"],
  [["web.ns.localhost"], "local"],
  [["localhost"], "local"],
  [["web.ns.localhost.org"], "acme"],
  [["*.apps.org"], "WildcardNeedsSecret"],
])("chooseIssuer() of %j gives %s", (names, expected) => {
  const found = chooseIssuer(issuer("local"), issuer("acme"))(names);
  expect("issue" in found ? found.name : found.reason).toBe(expected);
});
