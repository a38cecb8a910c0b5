import { Command } from "commander";
import { configurationLabel } from "../../../api/labels.ts";
import { age, span } from "../../age.ts";
import { activityOf, outcomeOf, secondsOf, stateOf } from "../../build-state.ts";
import type { Factory } from "../../factory.ts";
import { Build } from "../../objects.ts";
import { deleteCommand } from "../../resource/delete.ts";
import { describeCommand } from "../../resource/describe.ts";
import { listCommand } from "../../resource/list.ts";
import type { Noun } from "../../resource/noun.ts";
import { buildsCancelCommand } from "./cancel.ts";
import { buildsLogsCommand } from "./logs.ts";
import { resolveBuild } from "./resolve.ts";

const buildNoun: Noun<Build> = {
  singular: "build",
  plural: "builds",
  kind: Build,
  hasService: true,
  table: {
    columns: ["Name", "Service", "State", "Template", "Duration", "Age"],
    row: (build, now) => {
      const seconds = secondsOf(build, now);
      return [
        build.metadata.name,
        build.metadata.labels?.[configurationLabel] ?? "",
        stateOf(build),
        build.spec.template?.name ?? "",
        seconds === undefined ? "" : span(seconds),
        age(build.metadata.creationTimestamp, now),
      ];
    },
  },
  summary: (build, now) => {
    const outcome = outcomeOf(build);
    const seconds = secondsOf(build, now);
    return [
      ["Service", build.metadata.labels?.[configurationLabel] ?? ""],
      ["State", stateOf(build)],
      ["Now", outcome === undefined ? (activityOf(build) ?? "") : ""],
      ["Problem", outcome?.succeeded === false ? outcome.why : ""],
      ["Source", sourceText(build.status?.source)],
      ["Image", build.status?.imageDigest ?? ""],
      ["Duration", seconds === undefined ? "" : span(seconds)],
      ["Steps", (build.status?.stepStates ?? []).map((step) => stepLine(step)).join("\n")],
    ];
  },
  body: (build) => build.spec,
  resolve: (session, name, service) => resolveBuild(session, name, service),
  examples: {
    list: ["elafros builds list", "elafros builds list --service hello"],
    describe: ["elafros builds describe hello-00003", "elafros builds describe v3 --service hello"],
    delete: ["elafros builds delete hello-00003"],
  },
};

/** Where it came from, and the commit or digest, where the address doesn't hold it already. */
function sourceText(source: NonNullable<Build["status"]>["source"]): string {
  const address = source?.repository ?? source?.archive ?? source?.manifest ?? "";
  const { context = "" } = source ?? {};
  return address.includes(context.replace(/^sha256:/, "")) ? address : `${address} ${context}`;
}

function stepLine({
  name,
  state,
}: {
  name: string;
  state?: { running?: unknown; terminated?: { exitCode: number } };
}): string {
  if (state?.terminated !== undefined) {
    const { exitCode } = state.terminated;
    return exitCode === 0 ? `${name} done` : `${name} failed with exit code ${exitCode}`;
  }
  return `${name} ${state?.running === undefined ? "waits" : "runs"}`;
}

export function buildsCommand(factory: Factory): Command {
  return new Command("builds")
    .description(
      "List, describe, follow, cancel and delete builds. Each deploy from source makes one, named as its revision; a revision's Id (v3) will do",
    )
    .addCommand(listCommand(buildNoun, factory))
    .addCommand(describeCommand(buildNoun, factory))
    .addCommand(buildsLogsCommand(factory))
    .addCommand(buildsCancelCommand(factory))
    .addCommand(deleteCommand(buildNoun, factory));
}
