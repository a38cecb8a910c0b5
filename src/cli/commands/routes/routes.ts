import { Command } from "commander";
import { age } from "../../age.ts";
import { conditionOf, explain } from "../../conditions.ts";
import type { Factory } from "../../factory.ts";
import { Route } from "../../objects.ts";
import { deleteCommand } from "../../resource/delete.ts";
import { describeCommand } from "../../resource/describe.ts";
import { listCommand } from "../../resource/list.ts";
import type { Noun } from "../../resource/noun.ts";

export const routeNoun: Noun<Route> = {
  singular: "route",
  plural: "routes",
  kind: Route,
  table: {
    columns: ["Name", "URL", "Traffic", "Ready", "Reason", "Age"],
    row: (route, now) => {
      const ready = conditionOf(route, "Ready");
      return [
        route.metadata.name,
        route.status?.url ?? "",
        servedText(route),
        ready?.status ?? "Unknown",
        ready?.status === "True" ? "" : (ready?.reason ?? ""),
        age(route.metadata.creationTimestamp, now),
      ];
    },
  },
  summary: (route) => [
    ["URL", route.status?.url ?? ""],
    ["Domain", route.status?.domain ?? ""],
    ["Traffic", servedText(route).replaceAll(", ", "\n")],
    ["Problem", problemOf(route)],
  ],
  body: (route) => route.spec,
  examples: {
    list: ["elafros routes list", "elafros routes list -o yaml"],
    describe: ["elafros routes describe hello"],
    delete: ["elafros routes delete hello"],
  },
};

/** `current 95% hello-00002, next 5% hello-00003`. */
export function servedText(route: Route): string {
  return (route.status?.traffic ?? [])
    .map((target) =>
      [target.name, `${target.percent}%`, target.revisionName].filter((part) => part !== undefined).join(" "),
    )
    .join(", ");
}

function problemOf(route: Route): string {
  const ready = conditionOf(route, "Ready");
  return ready?.status === "False" ? explain(ready) : "";
}

export function routesCommand(factory: Factory): Command {
  return new Command("routes")
    .description("List, describe and delete routes: the addresses, and how their traffic is split")
    .addCommand(listCommand(routeNoun, factory))
    .addCommand(describeCommand(routeNoun, factory))
    .addCommand(deleteCommand(routeNoun, factory));
}
