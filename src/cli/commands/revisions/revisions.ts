import { Command } from "commander";
import { creatorAnnotation, gitCommitAnnotation, gitDirtyAnnotation } from "../../../api/labels.ts";
import { isReason } from "../../../api/meta/errors.ts";
import { age } from "../../age.ts";
import { conditionOf, explain, generationOf } from "../../conditions.ts";
import type { Factory, Session } from "../../factory.ts";
import { Revision, Route } from "../../objects.ts";
import { deleteCommand } from "../../resource/delete.ts";
import { describeCommand } from "../../resource/describe.ts";
import type { Noun } from "../../resource/noun.ts";
import { resolveRevision } from "../../resolve-revision.ts";
import { revisionsListCommand, serviceOf } from "./list.ts";

export const revisionNoun: Noun<Revision> = {
  singular: "revision",
  plural: "revisions",
  kind: Revision,
  hasService: true,
  summary: (revision) => {
    const ready = conditionOf(revision, "Ready");
    const healthy = conditionOf(revision, "ContainerHealthy");
    const { annotations } = revision.metadata;
    return [
      ["Service", serviceOf(revision)],
      ["Id", `v${generationOf(revision)}`],
      ["Ready", `${ready?.status ?? "Unknown"}${ready?.status === "True" ? "" : ` ${explain(ready)}`}`.trimEnd()],
      ["Problem", ready?.status === "True" && healthy?.status === "False" ? explain(healthy) : ""],
      ["Image", revision.spec.container.image],
      ["Digest", revision.status?.imageDigest ?? ""],
      ["Instances", `${revision.status?.actualReplicas ?? 0} of ${revision.status?.desiredReplicas ?? 0}`],
      ["Deployer", annotations?.[creatorAnnotation] ?? ""],
      [
        "Git SHA",
        `${annotations?.[gitCommitAnnotation] ?? ""}${annotations?.[gitDirtyAnnotation] === "true" ? " with uncommitted changes" : ""}`,
      ],
      ["Build", revision.spec.buildName ?? ""],
    ];
  },
  section: (revision, now) => ({
    title: "Scaling",
    columns: ["When", "Instances", "Why"],
    rows: (revision.status?.scaling ?? []).map(({ time, from, to, message }) => [
      `${age(time, now)} ago`,
      `${from} → ${to}`,
      message,
    ]),
  }),
  body: (revision) => revision.spec,
  resolve: (session, name, service) => resolveRevision(session, name, service),
  afterDelete: heldByRoutes,
  examples: {
    list: [],
    describe: ["elafros revisions describe hello-00003", "elafros revisions describe v3 --service hello"],
    delete: ["elafros revisions delete v1 --service hello"],
  },
};

/** A Revision that Routes name serves on after its deletion, until none does. */
async function heldByRoutes(session: Session, name: string): Promise<{ held: boolean; note?: string }> {
  const { client, namespace } = session;
  try {
    await client.get(Revision, { namespace, name });
  } catch (error) {
    if (isReason(error, "NotFound")) return { held: false };
    throw error;
  }
  const routes = await client.list(Route, { namespace });
  const names = routes.items
    .filter((route) =>
      [...route.spec.rollout.traffic, ...(route.status?.traffic ?? [])].some((target) => target.revisionName === name),
    )
    .map((route) => `"${route.metadata.name}"`);
  if (names.length === 0) return { held: false };
  return {
    held: true,
    note: `Revision "${name}" is still named by route ${names.join(", ")}: it serves on, and goes once no route names it`,
  };
}

export function revisionsCommand(factory: Factory): Command {
  return new Command("revisions")
    .description(
      "List, describe and delete revisions. Each deploy makes one; where a revision is asked for, its Id (v3) will do",
    )
    .addCommand(revisionsListCommand(factory))
    .addCommand(describeCommand(revisionNoun, factory))
    .addCommand(deleteCommand(revisionNoun, factory));
}
