import { Command } from "commander";
import type { ClusterReport } from "../../../platform/cluster/status.ts";
import type { StatusReport } from "../../../platform/types.ts";
import { age } from "../../age.ts";
import { FailureError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { examples, outputOption, type OutputOptions } from "../../options.ts";
import { printView, tableLines } from "../../print.ts";
import { headLines } from "../../resource/describe.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";
import { type ClusterTargetOptions, clusterTargetOptions, isOfCluster, onKubernetes } from "./cluster-target.ts";

export interface StatusCommandOptions extends OutputOptions, ClusterTargetOptions {
  dataDir: string;
}

export function statusCommand(
  factory: Factory,
  run: (options: StatusCommandOptions, factory: Factory) => Promise<void> = runStatus,
): Command {
  const command = new Command("status").description(
    "Show the processes and instances of Elafros on this machine, or with --region or --kubeconfig on a cluster, and what is wrong. Exit status 1 where it doesn't run",
  );
  clusterTargetOptions(outputOption(dataDirOption(command)));
  examples(command, ["elafros status", "elafros status -o json", "elafros status --region staging"]);
  return command.action(async (options: StatusCommandOptions) => run(options, factory));
}

async function runStatus(options: StatusCommandOptions, factory: Factory): Promise<void> {
  if (isOfCluster(options)) return runClusterStatus(options, factory);
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

async function runClusterStatus(options: StatusCommandOptions, factory: Factory): Promise<void> {
  const { io, clock } = factory;
  await onKubernetes(options, factory, async ({ client, region }) => {
    const report = await factory.platform.clusterStatus(client, clock.now());
    if (options.output === "table") for (const line of clusterLines(report, region, clock.now())) io.line(line);
    else {
      await printView(io, options.output, {
        table: { columns: [], rows: [] },
        data: { region, ...report },
        names: report.instances.map((instance) => `pod/${instance.id}`),
      });
    }
    const runs = (name: string) => report.parts.some((part) => part.name.endsWith(name) && part.ready > 0);
    if (!runs("controller") || !runs("gateway")) {
      throw new FailureError(`Elafros doesn't run in region "${region}": see the problems above`);
    }
  });
}

function clusterLines(report: ClusterReport, region: string, now: number): string[] {
  const { kubernetes, namespace = "", domain = "", addresses, leader = "", parts } = report;
  return [
    ...headLines([
      ["Region", region],
      ["Kubernetes", kubernetes],
      ["Namespace", namespace],
      ["Domain", domain],
      ["Gateway", addresses.join("\n")],
      ["Leader", leader],
    ]),
    "",
    ...(parts.length === 0
      ? []
      : [
          ...tableLines({
            columns: ["Part", "Ready", "Image"],
            rows: parts.map(({ name, ready, wanted, image }) => [name, `${ready} of ${wanted}`, image]),
          }),
          "",
        ]),
    ...instanceLines(report, now),
  ];
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
    ...instanceLines(report, now),
  ];
}

function instanceLines(report: Pick<StatusReport, "instances" | "problems">, now: number): string[] {
  return [
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
