import { Command } from "commander";
import type { StatusReport } from "../../../platform/types.ts";
import { age } from "../../age.ts";
import { FailureError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { examples, outputOption, type OutputOptions } from "../../options.ts";
import { printView, tableLines } from "../../print.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface StatusCommandOptions extends OutputOptions {
  dataDir: string;
}

export function statusCommand(
  factory: Factory,
  run: (options: StatusCommandOptions, factory: Factory) => Promise<void> = runStatus,
): Command {
  const command = new Command("status").description(
    "Show the processes and instances of Elafros on this machine, and what is wrong. Exit status 1 where it doesn't run",
  );
  outputOption(dataDirOption(command));
  examples(command, ["elafros status", "elafros status -o json"]);
  return command.action(async (options: StatusCommandOptions) => run(options, factory));
}

async function runStatus(options: StatusCommandOptions, factory: Factory): Promise<void> {
  const { io } = factory;
  const report = await factory.platform.status({ dataDir: dataDirOf(options, factory) });
  if (options.output === "table") for (const line of reportLines(report, factory.clock.now())) io.line(line);
  else {
    await printView(io, options.output, {
      table: { columns: [], rows: [] },
      data: report,
      names: report.instances.map((instance) => `instance/${instance.id}`),
    });
  }
  if (!report.running) throw new FailureError(`Elafros doesn't run on ${report.dataDir}: start it with 'elafros up'`);
}

function reportLines(report: StatusReport, now: number): string[] {
  return [
    `Data directory: ${report.dataDir}`,
    ...(report.api === undefined ? [] : [`API:            ${report.api}`]),
    ...(report.url === undefined ? [] : [`Gateway:        ${report.url}`]),
    ...(report.https === undefined ? [] : [`                ${report.https}`]),
    "",
    ...tableLines({
      columns: ["Process", "Pid", "State", "Since", "Version"],
      rows: report.processes.map((one) => [
        one.name,
        one.running ? String(one.pid) : "",
        one.running ? "running" : "stopped",
        one.running ? age(one.since, now) : "",
        one.version,
      ]),
    }),
    "",
    ...(report.instances.length === 0
      ? ["No instances."]
      : tableLines({
          columns: ["Instance", "Namespace", "Revision", "Phase", "Since", "Restarts"],
          rows: report.instances.map((one) => [
            one.id,
            one.namespace,
            one.revision,
            one.phase,
            age(one.since, now),
            String(one.restarts),
          ]),
        })),
    "",
    ...(report.problems.length === 0 ? ["No problems."] : ["Problems:", ...report.problems.map((one) => `  ${one}`)]),
  ];
}
