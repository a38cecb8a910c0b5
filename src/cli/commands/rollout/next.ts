import { Command } from "commander";
import { FailureError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { rememberTraffic } from "../../previous-traffic.ts";
import { examples, targetName, wholeNumber } from "../../options.ts";
import { nextName, withPercent } from "../../traffic.ts";
import { changeTraffic, type RolloutOptions, rolloutOptions } from "./shared.ts";

export interface PercentOptions extends RolloutOptions {
  percent: number;
  target: string;
}

export function nextCommand(
  factory: Factory,
  run: (options: PercentOptions, factory: Factory) => Promise<void> = runPercent,
): Command {
  const percent = new Command("percent")
    .description("Give the revision that is being tried a share of the traffic; the rest stays with the others")
    .argument("<number>", "the share in percent", wholeNumber(0, 100))
    .option("--target <name>", "another name than next, as given by deploy --name", targetName, nextName);
  rolloutOptions(percent);
  examples(percent, ["elafros rollout next percent 5", "elafros rollout next percent 50 --service hello"]);
  percent.action(async (number: number, options: Omit<PercentOptions, "percent">) =>
    run({ ...options, percent: number }, factory),
  );
  return new Command("next").description("Give the next revision traffic").addCommand(percent);
}

async function runPercent(options: PercentOptions, factory: Factory): Promise<void> {
  await changeTraffic(options, factory, (route, service) => {
    const { traffic } = route.spec.rollout;
    const after = withPercent(traffic, options.target, options.percent);
    if (after === undefined) throw noTarget(service, options.target);
    rememberTraffic(route, traffic);
    route.spec.rollout.traffic = after;
    return true;
  });
}

/** There is no target of that name, or it is the only one. */
export function noTarget(service: string, target: string): FailureError {
  return new FailureError(
    `Service "${service}" has no revision waiting under the name "${target}": choose 'elafros rollout strategy manual' and deploy, and the new revision gets that name`,
  );
}
