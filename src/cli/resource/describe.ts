import { Command } from "commander";
import type { Condition, KubeObject } from "../../api/meta/types.ts";
import { age } from "../age.ts";
import type { Factory, ServerOptions, Session } from "../factory.ts";
import { readMemory } from "../memory.ts";
import { Event } from "../objects.ts";
import { examples, outputOption, type OutputOptions, serverOptions, serviceName } from "../options.ts";
import { printable } from "../printable.ts";
import { plainName, printView, qualifiedName, tableLines, yaml } from "../print.ts";
import type { Noun } from "./noun.ts";

export interface DescribeOptions extends ServerOptions, OutputOptions {
  name: string;
  service?: string;
}

/** `elafros NOUN describe NAME`. */
export function describeCommand<T extends KubeObject>(
  noun: Noun<T>,
  factory: Factory,
  run: (options: DescribeOptions, factory: Factory) => Promise<void> = (options, factory) =>
    runDescribe(noun, options, factory),
): Command {
  const command = new Command("describe")
    .alias("get")
    .description(`Show one ${noun.singular} with its conditions and events`)
    .argument("<name>", `the ${noun.singular}`);
  if (noun.hasService === true) {
    command.option("--service <name>", "the service that an Id such as v3 belongs to", serviceName);
  }
  outputOption(serverOptions(command));
  examples(command, noun.examples.describe);
  return command.action(async (name: string, options: Omit<DescribeOptions, "name">) =>
    run({ ...options, name: plainName(name) }, factory),
  );
}

async function runDescribe<T extends KubeObject>(
  noun: Noun<T>,
  options: DescribeOptions,
  factory: Factory,
): Promise<void> {
  const own = await factory.connect(options);
  try {
    const service = options.service ?? (noun.hasService === true ? (await readMemory(factory.cwd)).service : undefined);
    const name = (await noun.resolve?.(own, options.name, service)) ?? options.name;
    const session = { ...own, namespace: (await noun.namespaceOf?.(own, name)) ?? own.namespace };
    const object = await session.client.get(noun.kind, { namespace: session.namespace, name });
    if (options.output !== "table") {
      const names = [qualifiedName(object)];
      await printView(factory.io, options.output, { table: { columns: [], rows: [] }, data: object, names });
      return;
    }
    const now = factory.clock.now();
    const lines = [
      ...headLines([
        ["Name", object.metadata.name],
        ["Namespace", object.metadata.namespace ?? ""],
        ...noun.summary(object, now),
        ["Created", `${object.metadata.creationTimestamp ?? ""} (${age(object.metadata.creationTimestamp, now)} ago)`],
        ["Labels", mapText(object.metadata.labels)],
        ["Annotations", mapText(object.metadata.annotations)],
      ]),
      ...section("Spec", (await yaml(noun.body(object))).trimEnd().split("\n")),
      ...conditionLines(object, now),
      ...nounLines(noun.section?.(object, now)),
      ...(await eventLines(session, object, now)),
    ];
    for (const line of lines) factory.io.line(line);
  } finally {
    own.client.close();
  }
}

/** `Label:   value`, aligned; lines without value are left out. */
export function headLines(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...pairs.map(([label]) => label.length)) + 1;
  return pairs
    .filter(([, value]) => value !== "")
    .flatMap(([label, value]) =>
      printable(value)
        .split("\n")
        .map((line, index) => `${(index === 0 ? `${label}:` : "").padEnd(width)}  ${line}`),
    );
}

function section(title: string, lines: readonly string[]): string[] {
  return [`${title}:`, ...lines.map((line) => (line === "" ? "" : `  ${line}`))];
}

function nounLines(table: { title: string; columns: string[]; rows: string[][] } | undefined): string[] {
  return table === undefined || table.rows.length === 0 ? [] : section(table.title, tableLines(table));
}

function mapText(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .map(([key, value]) => `${key}=${value.length > 100 ? `${value.slice(0, 100)}…` : value}`)
    .join("\n");
}

/** The conditions as a section; nothing where there are none. */
export function conditionLines(object: object, now: number): string[] {
  const { status } = object as { status?: { conditions?: readonly Condition[] } };
  const conditions = status?.conditions ?? [];
  if (conditions.length === 0) return [];
  return section(
    "Conditions",
    tableLines({
      columns: ["Type", "Status", "Since", "Reason", "Message"],
      rows: conditions.map((one) => [
        one.type,
        one.status,
        age(one.lastTransitionTime, now),
        one.reason ?? "",
        one.message ?? "",
      ]),
    }),
  );
}

/** The Events about an object, the oldest first. */
export async function eventLines(session: Session, object: KubeObject, now: number): Promise<string[]> {
  const list = await session.client
    .list(Event, {
      namespace: session.namespace,
      fieldSelector: `involvedObject.kind=${object.kind},involvedObject.name=${object.metadata.name}`,
    })
    .catch(() => undefined);
  if (list === undefined || list.items.length === 0) return [];
  const time = (event: Event) =>
    event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? event.firstTimestamp ?? "";
  const events = list.items.sort((a, b) => time(a).localeCompare(time(b)));
  return section(
    "Events",
    tableLines({
      columns: ["Last Seen", "Count", "Type", "Reason", "Message"],
      rows: events.map((event) => [
        age(time(event), now),
        String(event.series?.count ?? event.count ?? 1),
        event.type ?? "",
        event.reason ?? "",
        event.message ?? "",
      ]),
    }),
  );
}
