import { Command } from "commander";
import { age } from "../../age.ts";
import { conditionOf, explain } from "../../conditions.ts";
import type { Factory } from "../../factory.ts";
import { Configuration } from "../../objects.ts";
import { deleteCommand } from "../../resource/delete.ts";
import { describeCommand } from "../../resource/describe.ts";
import { listCommand } from "../../resource/list.ts";
import type { Noun } from "../../resource/noun.ts";

export const configurationNoun: Noun<Configuration> = {
  singular: "configuration",
  plural: "configurations",
  kind: Configuration,
  table: {
    columns: ["Name", "Latest Created", "Latest Ready", "Ready", "Reason", "Age"],
    row: (configuration, now) => {
      const ready = conditionOf(configuration, "Ready");
      return [
        configuration.metadata.name,
        configuration.status?.latestCreatedRevisionName ?? "",
        configuration.status?.latestReadyRevisionName ?? "",
        ready?.status ?? "Unknown",
        ready?.status === "True" ? "" : (ready?.reason ?? ""),
        age(configuration.metadata.creationTimestamp, now),
      ];
    },
  },
  summary: (configuration) => {
    const ready = conditionOf(configuration, "Ready");
    return [
      ["Image", configuration.spec.revisionTemplate.spec.container.image],
      ["Latest created", configuration.status?.latestCreatedRevisionName ?? ""],
      ["Latest ready", configuration.status?.latestReadyRevisionName ?? ""],
      ["Problem", ready?.status === "False" ? explain(ready) : ""],
    ];
  },
  body: (configuration) => configuration.spec,
  examples: {
    list: ["elafros configurations list"],
    describe: ["elafros configurations describe hello"],
    delete: ["elafros configurations delete hello"],
  },
};

export function configurationsCommand(factory: Factory): Command {
  return new Command("configurations")
    .description("List, describe and delete configurations: the templates that revisions are made from")
    .addCommand(listCommand(configurationNoun, factory))
    .addCommand(describeCommand(configurationNoun, factory))
    .addCommand(deleteCommand(configurationNoun, factory));
}
