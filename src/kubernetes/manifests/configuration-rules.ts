/** What a cluster's API server holds of Configurations: `src/api/configuration.validation.ts`, `src/api/autoscaling.ts`, `src/api/scheduling.ts`. */
import { autoscalingPrefix } from "../../api/autoscaling.ts";
import { imageParameter } from "../../api/build-names.ts";
import { platformPrefix, templateAnnotations, templateLabels } from "../../api/labels.ts";
import { buildSpecRules } from "./build-rules.ts";
import { mostSchedulingCharacters, schedulingPrefix, schedulingSettings } from "../../api/scheduling.ts";
import type { Overlay, Rule } from "./crd-schema.ts";
import { duration, quoted } from "./forms.ts";
import { revisionSpecRules } from "./revision-rules.ts";

const template = "spec.revisionTemplate";

/** Names that belong to the platform: it writes them on Revisions itself. */
function owned(allowed: readonly string[]): Rule {
  const names = allowed.map((name) => `'${name}'`).join(", ");
  return {
    rule: `self.all(key, !key.startsWith('${platformPrefix}') || key in [${names}])`,
    message: `the platform sets names under ${platformPrefix}; yours to set: ${allowed.join(", ")}`,
  };
}

/** A rule about one annotation, in which `value` stands for its text. */
function setting(name: string, rule: string, words: string): Rule {
  const key = `'${autoscalingPrefix}${name}'`;
  return {
    rule: `!(${key} in self) || (${rule.replaceAll("value", `self[${key}]`)})`,
    message: `${autoscalingPrefix}${name} ${words}`,
  };
}

const whole = quoted("^[0-9]{1,9}$");
const decimal = quoted("^[0-9]{1,9}(\\.[0-9]{1,6})?$");

function wholeSetting(name: string, least: number, most: number): Rule {
  const rule = `value.matches(${whole}) && int(value) >= ${least} && int(value) <= ${most}`;
  return setting(name, rule, `must be a whole number from ${least} to ${most}`);
}

function percentSetting(name: string, least: number, most: number): Rule {
  const rule = `value.matches(${decimal}) && double(value) >= ${least}.0 && double(value) <= ${most}.0`;
  return setting(name, rule, `must be a number of percent from ${least} to ${most}, without the sign`);
}

function durationSetting(name: string, least: string): Rule {
  const form = quoted(duration.pattern);
  const rule = `value.matches(${form}) && duration(value) >= duration('${least}') && duration(value) <= duration('1h') && duration(value).getMilliseconds() % 1000 == 0`;
  return setting(name, rule, `must be a duration of whole seconds from ${least} to 1h`);
}

const settings: readonly Rule[] = [
  wholeSetting("min-scale", 0, 1000),
  wholeSetting("max-scale", 0, 1000),
  wholeSetting("initial-scale", 1, 1000),
  setting("metric", "value in ['concurrency', 'rps']", "must be concurrency or rps"),
  setting(
    "target",
    `value.matches(${decimal}) && double(value) >= 0.01 && double(value) <= 1000000.0`,
    "must be a number from 0.01 to 1000000",
  ),
  percentSetting("target-utilization-percentage", 1, 100),
  durationSetting("window", "6s"),
  percentSetting("panic-window-percentage", 1, 100),
  percentSetting("panic-threshold-percentage", 110, 1000),
  durationSetting("scale-down-delay", "0s"),
  durationSetting("scale-to-zero-retention", "0s"),
  setting("idle", "value in ['stop', 'freeze', 'none']", "must be stop, freeze or none"),
];

/** The most is no less than what there is to be at least. What is no number has a rule of its own. */
function atMost(name: string, absent: number): Rule {
  const [most, least] = [`'${autoscalingPrefix}max-scale'`, `'${autoscalingPrefix}${name}'`];
  const number = (key: string) => `self[${key}].matches(${whole})`;
  const lower = `(${least} in self ? (${number(least)} ? int(self[${least}]) : 0) : ${absent})`;
  return {
    rule: `!(${most} in self) || !${number(most)} || int(self[${most}]) == 0 || int(self[${most}]) >= ${lower}`,
    message: `${autoscalingPrefix}max-scale must be 0 (the platform's own most) or at least ${name}`,
  };
}

const names = settings.map(({ message }) => message.slice(autoscalingPrefix.length).split(" ", 1)[0] ?? "");

/** There are no other names under a prefix. */
function known(prefix: string, all: readonly string[]): Rule {
  return {
    rule: `self.all(key, !key.startsWith('${prefix}') || key in [${all.map((name) => `'${prefix}${name}'`).join(", ")}])`,
    message: `names under ${prefix} are ${all.join(", ")}`,
  };
}

const scheduling: readonly Rule[] = [
  known(
    schedulingPrefix,
    schedulingSettings.map(({ name }) => name),
  ),
  ...schedulingSettings.map(({ name, pattern, words }): Rule => {
    const key = `'${schedulingPrefix}${name}'`;
    return {
      rule: `!(${key} in self) || (size(self[${key}]) <= ${mostSchedulingCharacters} && self[${key}].matches(${quoted(pattern)}))`,
      message: `${schedulingPrefix}${name} ${words}`,
    };
  }),
];

const labelValues: Rule = {
  rule: `self.all(key, self[key].matches(${quoted("^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")}))`,
  message:
    "a label's value must be empty or consist of letters, digits, '-', '_' and '.', with a letter or digit at both ends",
};

const image = "self.revisionTemplate.spec.container.image";
const building =
  "has(self.build) && !(has(self.revisionTemplate.spec.buildName) && self.revisionTemplate.spec.buildName != '')";

export const configurationRules: readonly Overlay[] = [
  ...revisionSpecRules(`${template}.spec`),
  ...buildSpecRules("spec.build"),
  { at: `${template}.metadata.labels`, rules: [owned(templateLabels), labelValues] },
  {
    at: `${template}.metadata.annotations`,
    rules: [
      owned(templateAnnotations),
      known(autoscalingPrefix, names),
      ...settings,
      atMost("min-scale", 0),
      atMost("initial-scale", 1),
      ...scheduling,
    ],
  },
  {
    at: "spec",
    rules: [
      {
        rule: `!(${building}) || !${image}.contains('@')`,
        message:
          "revisionTemplate.spec.container.image must have no digest where build makes it: name a tag, or leave out build",
      },
      {
        rule: `!(${building} && has(self.build.template) && has(self.build.template.arguments)) || !self.build.template.arguments.exists(one, one.name == '${imageParameter}' && has(one.value) && one.value != '' && one.value != ${image})`,
        message: `revisionTemplate.spec.container.image must be what the build makes, its template's argument ${imageParameter}: change both, or leave out build to run an image that is there`,
      },
    ],
  },
];
