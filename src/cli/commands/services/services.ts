import { Command } from "commander";
import type { Factory } from "../../factory.ts";
import { servicesDeleteCommand } from "./delete.ts";
import { servicesDescribeCommand } from "./describe.ts";
import { servicesListCommand } from "./list.ts";

export function servicesCommand(factory: Factory): Command {
  return new Command("services")
    .description("List, describe and delete services. A service is a route and a configuration of one name")
    .addCommand(servicesListCommand(factory))
    .addCommand(servicesDescribeCommand(factory))
    .addCommand(servicesDeleteCommand(factory));
}
