import { configurationLabel, revisionLabel } from "../../../api/labels.ts";
import type { Factory } from "../../factory.ts";
import { copyLines, followAll, type InstanceLogs } from "../../instance-logs.ts";
import { readMemory, requireService } from "../../memory.ts";
import { Pod } from "../../objects.ts";
import { resolveRevision } from "../../resolve-revision.ts";
import type { LogsOptions } from "./logs.ts";

/** Runs `elafros logs`. */
export async function runLogs(options: LogsOptions, factory: Factory): Promise<void> {
  const service =
    options.revision !== undefined && options.service === undefined
      ? (await readMemory(factory.cwd)).service
      : await requireService(factory.cwd, options.service);
  const session = await factory.connect(options);
  try {
    const revision =
      options.revision === undefined ? undefined : await resolveRevision(session, options.revision, service);
    const labelSelector =
      revision === undefined ? `${configurationLabel}=${service ?? ""}` : `${revisionLabel}=${revision}`;
    const what = revision === undefined ? `service "${service ?? ""}"` : `revision "${revision}"`;
    await (options.follow ? followAll : printAll)({ session, options, factory, labelSelector, what });
  } finally {
    session.client.close();
  }
}

async function printAll({ session, options, factory, labelSelector, what }: InstanceLogs): Promise<void> {
  const pods = await session.client.list(Pod, { namespace: session.namespace, labelSelector });
  if (pods.items.length === 0) {
    factory.io.note(
      `No instances of ${what} run now. Why the last one ended: 'elafros services describe' or 'elafros revisions describe'`,
    );
    return;
  }
  for (const pod of pods.items) {
    const prefix = pods.items.length > 1 ? `[${pod.metadata.name}] ` : "";
    await copyLines({ session, options, factory }, { pod, prefix, signal: factory.signal });
  }
}
