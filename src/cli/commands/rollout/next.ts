import { Command, InvalidArgumentError } from "commander";
import { formatDuration } from "../../../api/meta/duration.ts";
import { FailureError, UsageError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import type { Route } from "../../objects.ts";
import { rememberTraffic } from "../../previous-traffic.ts";
import { duration, examples, targetName, wholeNumber } from "../../options.ts";
import { nextName, withPercent } from "../../traffic.ts";
import { changeTraffic, type RolloutOptions, rolloutOptions } from "./shared.ts";

export interface PercentOptions extends RolloutOptions {
  percent: number;
  target: string;
  /** False: the Route shall have no guard. */
  guard: boolean;
  /** Most failures, percent. */
  guardErrors?: number;
  /** Slowest beginning of 95 of 100 answers, milliseconds. */
  guardP95?: number;
  /** Seconds. */
  guardWindow?: number;
}

export function nextCommand(
  factory: Factory,
  run: (options: PercentOptions, factory: Factory) => Promise<void> = runPercent,
): Command {
  const percent = new Command("percent")
    .description("Give the revision that is being tried a share of the traffic; the rest stays with the others")
    .argument("<number>", "the share in percent", wholeNumber(0, 100))
    .option("--target <name>", "another name than next, as given by deploy --name", targetName, nextName)
    .option(
      "--guard-errors <percent>",
      "take its traffic back by itself when more of its requests fail (status 500 or more)",
      wholeNumber(0, 99),
    )
    .option(
      "--guard-p95 <ms>",
      "the same when more than 5 of 100 of its requests take longer until their answer begins, in milliseconds",
      wholeNumber(1, 3_600_000),
    )
    .option("--guard-window <duration>", "how far back the guard looks, such as 30s or 5m (default: 1m)", guardWindow)
    .option("--no-guard", "let nothing but you take its traffic back");
  rolloutOptions(percent);
  examples(percent, [
    "elafros rollout next percent 5",
    "elafros rollout next percent 5 --guard-errors 1 --guard-p95 300",
    "elafros rollout next percent 50 --service hello",
  ]);
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
    setGuard(route, options);
    return true;
  });
}

/** Changes what the options name of the Route's guard, and leaves the rest. */
function setGuard(route: Route, options: PercentOptions): void {
  const { guardErrors, guardP95, guardWindow: window } = options;
  const isNamed = guardErrors !== undefined || guardP95 !== undefined || window !== undefined;
  if (!options.guard && isNamed) {
    throw new UsageError("Cannot use --no-guard with --guard-errors, --guard-p95 or --guard-window: leave one out");
  }
  const { rollout } = route.spec;
  if (!options.guard) {
    delete rollout.guard;
    return;
  }
  if (!isNamed) return;
  if (guardErrors === undefined && guardP95 === undefined && rollout.guard === undefined) {
    throw new UsageError(
      "Cannot use --guard-window alone: add --guard-errors or --guard-p95, which say what is too bad",
    );
  }
  rollout.guard = {
    ...rollout.guard,
    ...(guardErrors === undefined ? {} : { errorPercent: guardErrors }),
    ...(guardP95 === undefined ? {} : { p95Milliseconds: guardP95 }),
    ...(window === undefined ? {} : { window: formatDuration(window * 1_000) }),
  };
}

/** As `duration`, within what a guard takes. */
function guardWindow(text: string): number {
  const seconds = duration(text);
  if (seconds > 3_600) throw new InvalidArgumentError("Give at most 1h.");
  return seconds;
}

/** There is no target of that name, or it is the only one. */
export function noTarget(service: string, target: string): FailureError {
  return new FailureError(
    `Service "${service}" has no revision waiting under the name "${target}": choose 'elafros rollout strategy manual' and deploy, and the new revision gets that name`,
  );
}
