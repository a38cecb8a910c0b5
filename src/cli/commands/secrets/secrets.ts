import { Command } from "commander";
import { revisionLabel } from "../../../api/labels.ts";
import { age } from "../../age.ts";
import type { Factory } from "../../factory.ts";
import { Secret } from "../../objects.ts";
import { deleteCommand } from "../../resource/delete.ts";
import { listCommand } from "../../resource/list.ts";
import type { Noun } from "../../resource/noun.ts";
import { secretsCreateCommand } from "./create.ts";

export const secretNoun: Noun<Secret> = {
  singular: "secret",
  plural: "secrets",
  kind: Secret,
  // On a cluster, instances get their values in Secrets of the platform's.
  listed: `!${revisionLabel}`,
  table: {
    columns: ["Name", "Type", "Keys", "Age"],
    row: (secret, now) => [
      secret.metadata.name,
      secret.type ?? "Opaque",
      Object.keys(secret.data ?? {}).join(","),
      age(secret.metadata.creationTimestamp, now),
    ],
  },
  summary: (secret) => [["Type", secret.type ?? "Opaque"]],
  body: (secret) => ({ keys: Object.keys(secret.data ?? {}) }),
  examples: {
    list: ["elafros secrets list"],
    describe: [],
    delete: ["elafros secrets delete database"],
  },
};

export function secretsCommand(factory: Factory): Command {
  return new Command("secrets")
    .description("Create, list and delete secrets; give them to a service with 'elafros deploy --secret'")
    .addCommand(secretsCreateCommand(factory))
    .addCommand(listCommand(secretNoun, factory))
    .addCommand(deleteCommand(secretNoun, factory));
}
