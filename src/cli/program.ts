/**
 * The command tree. A command's module is loaded only when that command is run: `--help` and completion of the first word
 * need names and summaries alone, which stand here.
 */
import { Command, Option } from "commander";
import type { Factory } from "./factory.ts";

interface Entry {
  name: string;
  summary: string;
  aliases?: readonly string[];
  hidden?: boolean;
  load(): Promise<(factory: Factory) => Command>;
}

/** All commands, in the order of the help. */
const entries: readonly Entry[] = [
  {
    name: "deploy",
    summary: "deploy an image as a new revision of a service",
    load: async () => (await import("./commands/deploy/deploy.ts")).deployCommand,
  },
  {
    name: "rollout",
    summary: "move traffic between revisions",
    load: async () => (await import("./commands/rollout/rollout.ts")).rolloutCommand,
  },
  {
    name: "revisions",
    aliases: ["revision"],
    summary: "list, describe and delete revisions",
    load: async () => (await import("./commands/revisions/revisions.ts")).revisionsCommand,
  },
  {
    name: "services",
    aliases: ["service"],
    summary: "list, describe and delete services",
    load: async () => (await import("./commands/services/services.ts")).servicesCommand,
  },
  {
    name: "routes",
    aliases: ["route"],
    summary: "list, describe and delete routes",
    load: async () => (await import("./commands/routes/routes.ts")).routesCommand,
  },
  {
    name: "configurations",
    aliases: ["configuration"],
    summary: "list, describe and delete configurations",
    load: async () => (await import("./commands/configurations/configurations.ts")).configurationsCommand,
  },
  {
    name: "builds",
    aliases: ["build"],
    summary: "list, describe, follow and cancel builds",
    load: async () => (await import("./commands/builds/builds.ts")).buildsCommand,
  },
  {
    name: "templates",
    aliases: ["template"],
    summary: "list and describe build templates",
    load: async () => (await import("./commands/templates/templates.ts")).templatesCommand,
  },
  {
    name: "functions",
    aliases: ["function"],
    summary: "start new functions",
    load: async () => (await import("./commands/functions/functions.ts")).functionsCommand,
  },
  {
    name: "secrets",
    aliases: ["secret"],
    summary: "create, list and delete secrets",
    load: async () => (await import("./commands/secrets/secrets.ts")).secretsCommand,
  },
  {
    name: "export",
    summary: "print a service as manifests, for another machine or a cluster",
    load: async () => (await import("./commands/export/export.ts")).exportCommand,
  },
  {
    name: "images",
    aliases: ["image"],
    summary: "copy images to a registry",
    load: async () => (await import("./commands/images/images.ts")).imagesCommand,
  },
  {
    name: "logs",
    summary: "print what instances write",
    load: async () => (await import("./commands/logs/logs.ts")).logsCommand,
  },
  {
    name: "run",
    summary: "build and run source here, in the foreground",
    load: async () => (await import("./commands/run/run.ts")).runCommand,
  },
  {
    name: "invoke",
    summary: "send an HTTP request or a CloudEvent to a service",
    load: async () => (await import("./commands/invoke/invoke.ts")).invokeCommand,
  },
  {
    name: "up",
    summary: "start Elafros on this machine",
    load: async () => (await import("./commands/platform/up.ts")).upCommand,
  },
  {
    name: "down",
    summary: "stop it",
    load: async () => (await import("./commands/platform/down.ts")).downCommand,
  },
  {
    name: "upgrade",
    summary: "replace it by the version that is installed now",
    load: async () => (await import("./commands/platform/upgrade.ts")).upgradeCommand,
  },
  {
    name: "status",
    summary: "show its processes, its instances and what is wrong",
    load: async () => (await import("./commands/platform/status.ts")).statusCommand,
  },
  {
    name: "trust",
    summary: "make this machine trust the local CA of its HTTPS",
    load: async () => (await import("./commands/platform/trust.ts")).trustCommand,
  },
  {
    name: "doctor",
    summary: "check that this machine has what it needs",
    load: async () => (await import("./commands/platform/doctor.ts")).doctorCommand,
  },
  {
    name: "kubeconfig",
    summary: "make another person's access",
    load: async () => (await import("./commands/kubeconfig/kubeconfig.ts")).kubeconfigCommand,
  },
  {
    name: "install",
    summary: "install Elafros on a Kubernetes",
    load: async () => (await import("./commands/cluster/install.ts")).installCommand,
  },
  {
    name: "uninstall",
    summary: "take it away from there",
    load: async () => (await import("./commands/cluster/uninstall.ts")).uninstallCommand,
  },
  {
    name: "completion",
    summary: "print a completion script for bash, zsh or fish",
    load: async () => (await import("./commands/completion/completion.ts")).completionCommand,
  },
  {
    name: "cluster-control",
    summary: "run the controllers of a cluster",
    hidden: true,
    load: async () => (await import("./commands/cluster/control.ts")).clusterControlCommand,
  },
  {
    name: "cluster-gateway",
    summary: "run a gateway of a cluster",
    hidden: true,
    load: async () => (await import("./commands/cluster/gateway.ts")).clusterGatewayCommand,
  },
  {
    name: "__complete",
    summary: "answer the completion scripts",
    hidden: true,
    load: async () => (await import("./commands/completion/complete.ts")).completeCommand,
  },
  {
    name: "version",
    summary: "print the versions of this program and of the server",
    load: async () => (await import("./commands/version/version.ts")).versionCommand,
  },
];

/**
 * Builds the program.
 * @param loaded names of the commands to load whole; the others are there with name and summary
 */
export async function createProgram(factory: Factory, loaded: (name: string) => boolean): Promise<Command> {
  const program = new Command("elafros")
    .description("Elafros runs containers that scale: revisions, traffic splits and the Kubernetes API on one machine.")
    .usage("<command> [options]")
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => factory.io.write(text),
      writeErr: (text) => factory.io.note(text.replace(/\n$/, "")),
    })
    .exitOverride()
    .helpCommand("help [command]", "show help for a command")
    .addOption(new Option("-V, --version", "same as 'elafros version --client'").hideHelp())
    .addHelpText("after", "\nRun 'elafros <command> --help' for the options and examples of a command.");
  for (const entry of entries) {
    const wanted = loaded(entry.name) || (entry.aliases ?? []).some(loaded);
    const command = wanted
      ? (await entry.load())(factory)
      : new Command(entry.name).allowUnknownOption().helpOption(false);
    command.summary(entry.summary).aliases([...(entry.aliases ?? [])]);
    if (!wanted) command.description(entry.summary);
    inherit(command, program);
    program.addCommand(command, { hidden: entry.hidden === true });
  }
  return program;
}

function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
}
