import { Command } from "commander";
import { FailureError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { takePreviousTraffic } from "../../previous-traffic.ts";
import { examples } from "../../options.ts";
import { isManual } from "../../traffic.ts";
import { changeTraffic, type RolloutOptions, rolloutOptions } from "./shared.ts";

export function undoCommand(
  factory: Factory,
  run: (options: RolloutOptions, factory: Factory) => Promise<void> = runUndo,
): Command {
  const command = new Command("undo").description(
    "Go back to the traffic before the last deploy or rollout command; again to go back further (the last 10 are kept on the route)",
  );
  rolloutOptions(command);
  examples(command, ["elafros rollout undo"]);
  return command.action(async (options: RolloutOptions) => run(options, factory));
}

async function runUndo(options: RolloutOptions, factory: Factory): Promise<void> {
  await changeTraffic(options, factory, (route, service) => {
    const wasManual = isManual(route.spec.rollout.traffic);
    const before = takePreviousTraffic(route);
    if (before === undefined) {
      throw new FailureError(
        `Service "${service}" has no earlier traffic to go back to: see 'elafros revisions list --service ${service}'`,
      );
    }
    route.spec.rollout.traffic = before;
    if (!wasManual && isManual(before)) {
      factory.io.note(
        `Note: service [${service}] has the manual strategy now: later deploys wait at 0 percent until 'elafros rollout strategy automatic'`,
      );
    }
    return true;
  });
}
