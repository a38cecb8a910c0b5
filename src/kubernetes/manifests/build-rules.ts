/** What a cluster's API server holds of Builds and BuildTemplates: `src/api/build*.validation.ts`. */
import { sourceStep } from "../../api/build-step.ts";
import { processRules } from "./container-rules.ts";
import type { Overlay, Rule } from "./crd-schema.ts";
import {
  dns1123Label,
  dns1123Subdomain,
  durationRules,
  exactlyOne,
  formAt,
  noNul,
  orEmpty,
  orOpen,
  parameterName,
  quoted,
} from "./forms.ts";
import { mountRule, volumeRules } from "./volume-rules.ts";

const notShared: Rule = {
  rule: "!(self == '/workspace' || self.startsWith('/workspace/') || self == '/builder' || self.startsWith('/builder/'))",
  message: "must not be in /workspace or /builder, which every step has already",
};

/** Rules of the steps at `path`. */
function stepRules(path: string, open = false): Overlay[] {
  const label = orEmpty(dns1123Label.pattern);
  return [
    ...processRules(`${path}[]`, open),
    {
      at: path,
      rules: [
        {
          rule: "self.all(one, !has(one.name) || one.name == '' || self.exists_one(other, has(other.name) && other.name == one.name))",
          message: "each step must have a name of its own",
        },
      ],
    },
    { at: `${path}[].name`, pattern: open ? orOpen(label) : label },
    {
      at: `${path}[].name`,
      rules: [
        {
          rule: `self != '${sourceStep}'`,
          message: "is the name of the step that fetches the source: choose another",
        },
        {
          rule: open ? "size(self) <= 63 || self.contains('${')" : "size(self) <= 63",
          message: "must be no more than 63 characters",
        },
      ],
    },
    { at: `${path}[].volumeMounts[].mountPath`, rules: [notShared] },
  ];
}

const mounted: Rule = {
  rule: `!has(self.steps) || self.steps.all(step, ${mountRule("step", "").rule})`,
  message: "steps' volumeMounts must name volumes of this spec",
};

const gitUrl = {
  pattern:
    "^(https?|ssh)://([^\\s/:@-][^\\s/:@]*@)?[^\\s/:@-][^\\s/@]*(/\\S*)?$|^file:///\\S+$|^([A-Za-z0-9_.][A-Za-z0-9_.-]*@)?[A-Za-z0-9.][A-Za-z0-9.-]*:([^\\s:/]|/[^\\s/]|/$)\\S*$",
  words:
    "must be https://HOST/PATH, http://…, ssh://[USER@]HOST/PATH, [USER@]HOST:PATH or file:///PATH, without a password, which everyone who may read builds would see: put it into a Secret of type kubernetes.io/basic-auth",
};
const commit = {
  pattern: "^([a-f0-9]{40}|[a-f0-9]{64})$",
  words:
    "must be all 40 hexadecimal digits of a commit (64 with SHA-256), in lower case: `git rev-parse NAME` prints them",
};
/** What git doesn't allow in names (git-check-ref-format), and what looks like an option. */
const oddRef = quoted("[\\x00-\\x20\\x7f~^:?*\\[\\\\]|\\.\\.|@\\{|//|^[-/]|[/.]$|\\.lock$|(^|/)\\.|^@$");
const refRule: Rule = {
  rule: `!self.matches(${oddRef})`,
  message: "must be a name that git allows, such as main, v1.2 or refs/pull/7/head",
};
const location = {
  pattern:
    "^upload:sha256:[a-f0-9]{64}$|^(https|gs|s3)://([^\\s/:@-][^\\s/:@]*@)?[^\\s/:@-][^\\s/@]*(/\\S*)?$|^http://([^\\s/:@-][^\\s/:@]*@)?[^\\s/:@-][^\\s/@]*(/\\S*)?#sha256=[a-f0-9]{64}$",
  words:
    "must be an https://, gs:// or s3:// URL without a password, upload:sha256: and 64 hexadecimal digits, or an http:// URL with the archive's digest at its end: #sha256= and 64 hexadecimal digits",
};

function sourceRules(path: string): Overlay[] {
  const git = `${path}.git`;
  const wants = ["commit", "branch", "tag", "ref"];
  const set = wants.map((name) => `has(self.${name}) && self.${name} != ''`).join(", ");
  const custom = `${path}.custom`;
  return [
    { at: path, rules: [exactlyOne(["custom", "gcs", "git"])] },
    {
      at: git,
      rules: [
        { rule: "has(self.url) && self.url != ''", message: "must have the repository's URL in url" },
        { rule: `[${set}].exists_one(one, one)`, message: "must have exactly one of commit, branch, tag and ref" },
      ],
    },
    formAt(`${git}.url`, gitUrl),
    formAt(`${git}.commit`, commit),
    ...["branch", "tag", "ref"].map((name) => ({ at: `${git}.${name}`, rules: [refRule] })),
    {
      at: `${path}.gcs`,
      rules: [
        {
          rule: "has(self.location) && self.location != ''",
          message: "must have the archive's or manifest's URL in location",
        },
      ],
    },
    formAt(`${path}.gcs.location`, location),
    {
      at: `${path}.gcs.type`,
      pattern: "^([Aa][Rr][Cc][Hh][Ii][Vv][Ee]|[Mm][Aa][Nn][Ii][Ff][Ee][Ss][Tt])$",
      anyCase: true,
    },
    ...processRules(custom),
    {
      at: `${custom}.name`,
      rules: [{ rule: "self == ''", message: "the container that brings the source has no name" }],
    },
    { at: `${custom}.volumeMounts[].mountPath`, rules: [notShared] },
  ];
}

/** `_` reads as `-`, and letters as lower case. */
const templateName = {
  pattern: "^[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?)*$",
  words: "must be the name of a BuildTemplate: letters, digits, '-', '_' and '.'",
};

/** Rules of the spec of a Build at `path`. */
export function buildSpecRules(path: string): Overlay[] {
  const template = `${path}.template`;
  return [
    ...sourceRules(`${path}.source`),
    ...stepRules(`${path}.steps`),
    {
      at: path,
      rules: [
        {
          rule: "has(self.template) != (has(self.steps) && size(self.steps) > 0)",
          message: "must have exactly one of template and steps",
        },
        mounted,
        {
          ...mountRule("self.source.custom", "source.custom.volumeMounts must name volumes of this spec"),
          rule: `!has(self.source) || !has(self.source.custom) || ${mountRule("self.source.custom", "").rule}`,
        },
      ],
    },
    {
      at: template,
      rules: [{ rule: "has(self.name) && self.name != ''", message: "must have the template's name in name" }],
    },
    formAt(`${template}.name`, templateName),
    { at: `${template}.arguments[].name`, pattern: orEmpty(parameterName) },
    { at: `${template}.arguments[].value`, pattern: noNul },
    ...volumeRules(`${path}.volumes`),
    formAt(`${path}.serviceAccountName`, dns1123Subdomain),
    durationRules({ at: `${path}.timeout`, least: "1ms", most: "24h", words: "must be more than 0s and at most 24h" }),
  ];
}

const fixed = ["source", "template", "steps", "volumes", "serviceAccountName", "timeout"];

/** A rule that a field is as it was, there or not. */
const unchanged = (name: string) =>
  `has(self.${name}) == has(oldSelf.${name}) && (!has(self.${name}) || self.${name} == oldSelf.${name})`;

export const buildRules: readonly Overlay[] = [
  ...buildSpecRules("spec"),
  {
    at: "spec",
    rules: [
      {
        rule: fixed.map(unchanged).join(" && "),
        message: "is immutable but for status: create another Build, or change the Configuration",
      },
      {
        rule: "!has(oldSelf.status) || (has(self.status) && self.status == oldSelf.status)",
        message: "status can't change any more: a cancelled Build stays so, create another",
      },
    ],
  },
];

export const buildTemplateRules: readonly Overlay[] = [
  { at: "spec.parameters[].name", pattern: parameterName },
  ...stepRules("spec.steps", true),
  ...volumeRules("spec.volumes"),
  { at: "spec", rules: [mounted] },
];
