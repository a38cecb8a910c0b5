/** What a cluster's API server holds of Routes: `src/api/route*.validation.ts` in CEL. */
import { aboutClient, hopByHop } from "../../lib/header-fields.ts";
import type { Overlay } from "./crd-schema.ts";
import {
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  durationRules,
  exactlyOne,
  formAt,
  orEmpty,
  token,
} from "./forms.ts";

const maxTargets = 32;
const traffic = "spec.rollout.traffic";

/** Kubernetes 1.26 refuses a loop that sums for what it could cost, so the sum is written out. */
const terms = Array.from({ length: maxTargets }, (_, i) => `(size(self) > ${i} ? self[${i}].percent : 0)`);

/** The value of a field that may be absent. */
const value = (of: string, field: string) => `(has(${of}.${field}) ? ${of}.${field} : '')`;
const sameTarget = ["configurationName", "revisionName"]
  .map((field) => `${value("one", field)} == ${value("other", field)}`)
  .join(" && ");

const splits: Overlay[] = [
  {
    at: traffic,
    rules: [
      // An empty list has too few items, which the schema says.
      { rule: `size(self) == 0 || ${terms.join(" + ")} == 100`, message: "percentages must total 100" },
      {
        rule: `self.all(one, !has(one.name) || one.name == '' || self.all(other, !has(other.name) || other.name != one.name || (${sameTarget})))`,
        message: "a name leads to one target: two different ones can't share it",
      },
    ],
  },
  {
    at: `${traffic}[]`,
    rules: [
      {
        rule: "(has(self.configurationName) && self.configurationName != '') != (has(self.revisionName) && self.revisionName != '')",
        message: "must have exactly one of configurationName and revisionName",
      },
    ],
  },
  {
    at: `${traffic}[].configurationName`,
    rules: [{ rule: "size(self) <= 50", message: "must be no more than 50 characters" }],
  },
  formAt(`${traffic}[].configurationName`, dns1035Label),
  formAt(`${traffic}[].revisionName`, dns1035Label),
  formAt(`${traffic}[].name`, dns1123Label),
  durationRules({ at: "spec.rollout.duration", least: "0s", most: "168h", words: "must be from 0s to 168h" }),
];

/** Names that `isForged` of `src/lib/header-fields.ts` knows, with `_` for `-` as well: rules for these would never see what clients send. */
const gatewayNames = [...hopByHop, ...aboutClient, "content-length", "elafros-.*", "k-.*"].map((name) =>
  name.replaceAll("-", "[-_]"),
);
const forged = {
  rule: `!self.matches('(?i)^(${gatewayNames.join("|")})$')`,
  message: "is a field that gateways write or drop themselves: choose one that clients send to the app",
};
const header = { pattern: token, words: "must be the name of a header field, such as X-Group (RFC 9110 §5.1)" };
const cookie = { pattern: token, words: "must be the name of a cookie, such as group (RFC 6265 §4.1.1)" };
const exact = {
  pattern: "^[\\x21-\\x7e]([\\t\\x20-\\x7e]*[\\x21-\\x7e])?$",
  words: "must be printable ASCII without space at its ends, which field values don't have",
};
const prefix = {
  pattern: "^[\\x21-\\x7e][\\t\\x20-\\x7e]*$",
  words: "must be printable ASCII without space at its beginning, which field values don't have",
};
const cookieValue = {
  pattern: "^[\\x21\\x23-\\x2b\\x2d-\\x3a\\x3c-\\x5b\\x5d-\\x7e]+$",
  words: "must be printable ASCII without space, quotes, comma, semicolon and backslash (RFC 6265 §4.1.1)",
};

const match = `${traffic}[].match[]`;
const affinity = "spec.rollout.affinity";
const requests: Overlay[] = [
  { at: match, rules: [exactlyOne(["header", "cookie"])] },
  { at: `${match}.header`, rules: [exactlyOne(["exact", "prefix"])] },
  formAt(`${match}.header.name`, header),
  { at: `${match}.header.name`, rules: [forged] },
  formAt(`${match}.header.exact`, exact),
  formAt(`${match}.header.prefix`, prefix),
  formAt(`${match}.cookie.name`, cookie),
  formAt(`${match}.cookie.exact`, cookieValue),
  { at: affinity, rules: [exactlyOne(["cookie", "header"])] },
  formAt(`${affinity}.header.name`, header),
  { at: `${affinity}.header.name`, rules: [forged] },
  formAt(`${affinity}.cookie.name`, cookie),
  {
    at: `${affinity}.cookie.name`,
    rules: [
      {
        rule: "!self.matches('^__([Ss][Ee][Cc][Uu][Rr][Ee]|[Hh][Oo][Ss][Tt])-')",
        message: "is a name that browsers only take over HTTPS: choose one without __Secure- or __Host-",
      },
    ],
  },
  durationRules({
    at: `${affinity}.cookie.ttl`,
    least: "1s",
    most: "9600h",
    zero: true,
    words: "must be 0s, or from 1s to 9600h",
  }),
  {
    at: "spec.rollout.guard",
    rules: [
      {
        rule: "has(self.errorPercent) || has(self.p95Milliseconds)",
        message: "must have errorPercent or p95Milliseconds, or both",
      },
    ],
  },
  durationRules({ at: "spec.rollout.guard.window", least: "1s", most: "1h", words: "must be from 1s to 1h" }),
];

const label63 = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
const domain = {
  pattern: `^(\\*\\.)?${label63}(\\.${label63})+$`,
  words: "must be a DNS name of at least two labels, as www.example.com; after *. as well",
};
const noAddress = { rule: "!self.matches('\\\\.[0-9]+$')", message: "must be a DNS name, not an address" };
const filled = { rule: "size(self) > 0", message: "must not be empty" };

const hosts: Overlay[] = [
  { at: "spec.domains", set: true },
  { at: "spec.tls[].hosts", set: true },
  { at: "spec.tls[].secretName", pattern: orEmpty(dns1123Subdomain.pattern), rules: [filled] },
  ...["spec.domains[]", "spec.tls[].hosts[]"].flatMap((at) => [formAt(at, domain), { at, rules: [filled, noAddress] }]),
];

export const routeRules: readonly Overlay[] = [...splits, ...requests, ...hosts];
