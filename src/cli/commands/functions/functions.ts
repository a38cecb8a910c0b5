import { Command } from "commander";
import type { Factory } from "../../factory.ts";
import { functionsNewCommand } from "./new.ts";

export function functionsCommand(factory: Factory): Command {
  return new Command("functions")
    .description(
      "Start new functions. Deploy them with 'elafros deploy --function', list them with 'elafros services list --type function'",
    )
    .addCommand(functionsNewCommand(factory));
}
