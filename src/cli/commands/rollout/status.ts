import { Command } from "commander";
import { conditionOf, explain } from "../../conditions.ts";
import type { Factory } from "../../factory.ts";
import { requireService } from "../../memory.ts";
import { Route } from "../../objects.ts";
import { examples, outputOption, serverOptions, serviceName } from "../../options.ts";
import { rolloutRules } from "../../rollout-rules.ts";
import { isManual } from "../../traffic.ts";
import { explainMissing, printTraffic, type RolloutOptions } from "./shared.ts";

export type RolloutStatusOptions = Omit<RolloutOptions, "wait" | "timeout">;

export function statusCommand(
  factory: Factory,
  run: (options: RolloutStatusOptions, factory: Factory) => Promise<void> = runRolloutStatus,
): Command {
  const command = new Command("status")
    .description("Show which revisions get the traffic, and whether a rollout is under way")
    .option("--service <name>", "the service (default: the one last given in this directory)", serviceName);
  outputOption(serverOptions(command));
  examples(command, ["elafros rollout status --service hello"]);
  return command.action(async (options: RolloutStatusOptions) => run(options, factory));
}

async function runRolloutStatus(options: RolloutStatusOptions, factory: Factory): Promise<void> {
  const service = await requireService(factory.cwd, options.service);
  const session = await factory.connect(options);
  try {
    const route = await explainMissing(
      service,
      session.client.get(Route, { namespace: session.namespace, name: service }),
    );
    if (options.output === "table") {
      const { io } = factory;
      const complete = conditionOf(route, "RolloutComplete");
      const why = explain(complete);
      io.line(`Service [${service}] at ${route.status?.url ?? "no address yet"}`);
      io.line(`Strategy: ${isManual(route.spec.rollout.traffic) ? "manual" : "automatic"}`);
      for (const [label, value] of rolloutRules(route)) io.line(`${label}: ${value}`);
      io.line(`Rollout: ${rolloutWord(complete)}${why === "" ? "" : ` (${why})`}`);
    }
    await printTraffic({ route, service, options, factory, session });
  } finally {
    session.client.close();
  }
}

function rolloutWord(complete: ReturnType<typeof conditionOf>): string {
  if (complete?.status === "True") return "complete";
  return complete?.reason === "GuardTripped" ? "taken back" : "under way";
}
