import { Command } from "commander";
import type { Factory } from "../../factory.ts";
import { revisionsListCommand } from "./list.ts";

export function revisionsCommand(factory: Factory): Command {
  return new Command("revisions")
    .description(
      "List, describe and delete revisions. Each deploy makes one; where a revision is asked for, its Id (v3) will do",
    )
    .addCommand(revisionsListCommand(factory));
}
