import { Argument, Command } from "commander";
import { FailureError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { rememberTraffic } from "../../previous-traffic.ts";
import { examples } from "../../options.ts";
import { automatic, isManual, pinned, withMatches } from "../../traffic.ts";
import { changeTraffic, type RolloutOptions, rolloutOptions } from "./shared.ts";

export interface StrategyOptions extends RolloutOptions {
  strategy: "manual" | "automatic";
}

export function strategyCommand(
  factory: Factory,
  run: (options: StrategyOptions, factory: Factory) => Promise<void> = runStrategy,
): Command {
  const command = new Command("strategy")
    .description("Choose who moves the traffic after a deploy: the platform (automatic) or you (manual)")
    .addArgument(new Argument("<strategy>", "who moves the traffic").choices(["manual", "automatic"]));
  rolloutOptions(command);
  examples(command, ["elafros rollout strategy manual --service hello", "elafros rollout strategy automatic"]);
  return command.action(async (strategy: StrategyOptions["strategy"], options: RolloutOptions) =>
    run({ ...options, strategy }, factory),
  );
}

async function runStrategy(options: StrategyOptions, factory: Factory): Promise<void> {
  await changeTraffic(options, factory, (route, service) => {
    const { traffic } = route.spec.rollout;
    if (isManual(traffic) === (options.strategy === "manual")) {
      factory.io.note(`Service [${service}] has the ${options.strategy} strategy already.`);
      return false;
    }
    const after = options.strategy === "manual" ? pinned(route.status?.traffic ?? []) : automatic(service);
    if (after.length === 0) {
      throw new FailureError(
        `Service "${service}" serves no revision yet, so there is none to keep the traffic on: wait for its first deploy`,
      );
    }
    rememberTraffic(route, traffic);
    route.spec.rollout.traffic = withMatches(after, traffic);
    return true;
  });
}
