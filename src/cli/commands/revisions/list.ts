import { Command } from "commander";
import { configurationLabel, creatorAnnotation, gitCommitAnnotation, typeLabel } from "../../../api/labels.ts";
import { generationOf } from "../../conditions.ts";
import type { Factory, ServerOptions } from "../../factory.ts";
import { readMemory } from "../../memory.ts";
import { Revision, Route } from "../../objects.ts";
import {
  examples,
  outputOption,
  type OutputOptions,
  serverOptions,
  serviceName,
  type ServiceType,
  typeOption,
} from "../../options.ts";
import { printView, qualifiedName, type Table } from "../../print.ts";

export interface RevisionsListOptions extends ServerOptions, OutputOptions {
  service?: string;
  all: boolean;
  type?: ServiceType;
}

export function revisionsListCommand(
  factory: Factory,
  run: (options: RevisionsListOptions, factory: Factory) => Promise<void> = runRevisionsList,
): Command {
  const command = new Command("list")
    .alias("ls")
    .description("List the revisions of a service, the newest first, with the traffic that each gets")
    .option("--service <name>", "the service (default: the one last given in this directory, else all)", serviceName)
    .option("--all", "the revisions of all services", false);
  outputOption(serverOptions(typeOption(command)));
  examples(command, [
    "elafros revisions list --service hello",
    "elafros revisions list --all --type function",
    "elafros revisions list --all -o json",
  ]);
  return command.action(async (options: RevisionsListOptions) => run(options, factory));
}

async function runRevisionsList(options: RevisionsListOptions, factory: Factory): Promise<void> {
  const service = options.all ? undefined : (options.service ?? (await readMemory(factory.cwd)).service);
  const { client, namespace } = await factory.connect(options);
  const selectors = [
    ...(service === undefined ? [] : [`${configurationLabel}=${service}`]),
    ...(options.type === undefined ? [] : [`${typeLabel}${options.type === "function" ? "=" : "!="}function`]),
  ];
  const [revisions, routes] = await Promise.all([
    client.list(Revision, {
      namespace,
      ...(selectors.length === 0 ? {} : { labelSelector: selectors.join(",") }),
    }),
    client.list(Route, { namespace }),
  ]);
  client.close();
  const sorted = revisions.items.sort(
    (a, b) => serviceOf(a).localeCompare(serviceOf(b)) || generationOf(b) - generationOf(a),
  );
  await printView(factory.io, options.output, {
    table: revisionsTable(sorted, routes.items, service === undefined),
    data: sorted,
    names: sorted.map(qualifiedName),
    empty: service === undefined ? "No revisions found." : `No revisions found for service "${service}".`,
  });
}

/** The Configuration that a Revision was made from. */
export function serviceOf(revision: Revision): string {
  return revision.metadata.labels?.[configurationLabel] ?? "";
}

/** The table of `revisions list`: one row each, what is served read from the Routes' status. */
export function revisionsTable(revisions: readonly Revision[], routes: readonly Route[], withService: boolean): Table {
  const columns = ["Name", "Traffic", "Id", "Date", "Deployer", "Git SHA"];
  const rows = revisions.map((revision) => {
    const own = routes.find((route) => route.metadata.name === serviceOf(revision));
    const targets = (own?.status?.traffic ?? []).filter((one) => one.revisionName === revision.metadata.name);
    const names = targets.flatMap((target) => (target.name === undefined ? [] : [target.name]));
    const percent = targets.reduce((sum, target) => sum + target.percent, 0);
    const { annotations = {}, creationTimestamp } = revision.metadata;
    return [
      ...(withService ? [serviceOf(revision)] : []),
      [...new Set(names)].join(","),
      targets.length === 0 ? "" : `${percent}%`,
      `v${generationOf(revision)}`,
      localMinute(creationTimestamp),
      annotations[creatorAnnotation] ?? "",
      (annotations[gitCommitAnnotation] ?? "").slice(0, 7),
    ];
  });
  return { columns: withService ? ["Service", ...columns] : columns, rows };
}

/** `2018-01-19 12:16`, in the time zone of the person. */
function localMinute(time: string | undefined): string {
  if (time === undefined || Number.isNaN(Date.parse(time))) return "";
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
