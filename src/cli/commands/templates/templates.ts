import { Command } from "commander";
import { noticeAnnotation } from "../../../api/labels.ts";
import { age } from "../../age.ts";
import type { Factory } from "../../factory.ts";
import { BuildTemplate } from "../../objects.ts";
import { describeCommand } from "../../resource/describe.ts";
import type { Noun } from "../../resource/noun.ts";
import { findTemplate } from "../../templates.ts";
import { templatesListCommand } from "./list.ts";
import { templatesStandInsCommand } from "./stand-ins.ts";

const templateNoun: Noun<BuildTemplate> = {
  singular: "build template",
  plural: "build templates",
  kind: BuildTemplate,
  summary: (template, now) => [
    ["Notice", template.metadata.annotations?.[noticeAnnotation] ?? ""],
    ["Parameters", (template.spec.parameters ?? []).map((one) => parameterLine(one)).join("\n")],
    ["Age", age(template.metadata.creationTimestamp, now)],
  ],
  body: (template) => ({ ...template.spec, parameters: undefined }),
  resolve: async (session, name) => (await findTemplate(session, name)).metadata.name,
  namespaceOf: async (session, name) => (await findTemplate(session, name)).metadata.namespace ?? session.namespace,
  examples: {
    list: [],
    describe: ["elafros templates describe nodejs-24", "elafros templates describe nodejs_24 -o yaml"],
    delete: [],
  },
};

type Parameter = NonNullable<BuildTemplate["spec"]["parameters"]>[number];

function parameterLine({ name, description, default: value }: Parameter): string {
  const given = value === undefined ? "required" : value === "" ? "default: empty" : `default: ${value}`;
  return `${name} (${given})${description === undefined ? "" : ` ${description}`}`;
}

export function templatesCommand(factory: Factory): Command {
  return new Command("templates")
    .description(
      "List and describe build templates: how images are made from source. 'elafros deploy' finds the right one, or takes it by --template",
    )
    .addCommand(templatesListCommand(factory))
    .addCommand(describeCommand(templateNoun, factory))
    .addCommand(templatesStandInsCommand(factory));
}
