import { Command } from "commander";
import type { Factory } from "../../factory.ts";
import { finishCommand } from "./finish.ts";
import { nextCommand } from "./next.ts";
import { statusCommand } from "./status.ts";
import { strategyCommand } from "./strategy.ts";
import { undoCommand } from "./undo.ts";

export function rolloutCommand(factory: Factory): Command {
  return new Command("rollout")
    .description(
      "Move the traffic of a service between its revisions. With the automatic strategy each deploy gets all of it; with the manual one it waits at 0 percent under the name next",
    )
    .addCommand(strategyCommand(factory))
    .addCommand(nextCommand(factory))
    .addCommand(finishCommand(factory))
    .addCommand(undoCommand(factory))
    .addCommand(statusCommand(factory));
}
