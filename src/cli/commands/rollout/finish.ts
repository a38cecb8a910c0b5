import { Command } from "commander";
import type { Factory } from "../../factory.ts";
import { rememberTraffic } from "../../previous-traffic.ts";
import { examples, targetName } from "../../options.ts";
import { finished, nextName, sameTraffic } from "../../traffic.ts";
import { noTarget } from "./next.ts";
import { changeTraffic, type RolloutOptions, rolloutOptions } from "./shared.ts";

export interface FinishOptions extends RolloutOptions {
  target: string;
}

export function finishCommand(
  factory: Factory,
  run: (options: FinishOptions, factory: Factory) => Promise<void> = runFinish,
): Command {
  const command = new Command("finish")
    .description("Give the revision that is being tried all traffic: it is the current one now")
    .option("--target <name>", "another name than next, as given by deploy --name", targetName, nextName);
  rolloutOptions(command);
  examples(command, ["elafros rollout finish"]);
  return command.action(async (options: FinishOptions) => run(options, factory));
}

async function runFinish(options: FinishOptions, factory: Factory): Promise<void> {
  await changeTraffic(options, factory, (route, service) => {
    const { traffic } = route.spec.rollout;
    if (!traffic.some((target) => target.name === options.target)) throw noTarget(service, options.target);
    const after = finished(traffic, options.target);
    if (sameTraffic(after, traffic)) return false;
    rememberTraffic(route, traffic);
    route.spec.rollout.traffic = after;
    return true;
  });
}
