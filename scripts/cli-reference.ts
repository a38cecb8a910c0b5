/** Writes docs/reference/cli.md from the commands themselves. With `--check` it fails where that file is out of date. */
import type { Command, Option } from "commander";
import { exitCodes } from "../src/cli/errors.ts";
import type { Factory } from "../src/cli/factory.ts";
import { createIo } from "../src/cli/io.ts";
import { createProgram } from "../src/cli/program.ts";
import { systemClock } from "../src/lib/clock.ts";
import { writeOrCheck } from "./generated-file.ts";

const unused = () => Promise.reject(new Error("The reference runs no command"));
const sink = { write: () => {} };
const factory: Factory = {
  io: createIo({ stdout: sink, stderr: sink, stdin: (async function* () {})(), env: {} }),
  clock: systemClock,
  env: {},
  cwd: "/",
  signal: new AbortController().signal,
  connect: unused,
  platform: {
    up: unused,
    down: unused,
    status: unused,
    trust: unused,
    doctor: unused,
    makeStandIns: unused,
    userKubeconfig: unused,
    upgrade: unused,
    installOnCluster: unused,
    uninstallFromCluster: unused,
    clusterStatus: unused,
    clusterDoctor: unused,
    clusterManifests: unused,
    copyImage: unused,
    exactImage: unused,
  },
};

const program = await createProgram(factory, () => true);
const commands = leaves(program).filter((command) => !command.name().startsWith("_") && command.name() !== "help");

const text = `# CLI reference

Made from the commands by \`node scripts/cli-reference.ts\`; don't edit it.

${commands.map((command) => `- [\`${pathOf(command)}\`](#${pathOf(command).replaceAll(" ", "-")})`).join("\n")}

## What all commands share

**Which server.** \`--kubeconfig FILE\`, else the files in \`KUBECONFIG\` (merged as \`kubectl\` does), else \`/var/lib/elafros/kubeconfig\`. A region is a
context of that kubeconfig: \`--region NAME\` chooses one, else its current context is used. The namespace is \`--namespace\`, else the context's, else \`default\`.

**Which service.** A service is a Route and a Configuration of one name. After \`deploy --service NAME\` was given once in a directory, later commands there
are about that service. It is kept in \`.elafros.json\` in that directory, with the image or source that was last deployed; the file holds nothing secret. Commit it or
ignore it, as you like.

**Revisions.** Where a revision is asked for, its name (\`hello-00003\`) and its Id (\`v3\`) will do. Where a name is asked for, the \`kind/name\` that
\`-o name\` prints will do too.

**Output.** \`-o table\` is for people, \`-o json\` and \`-o yaml\` give whole objects, \`-o name\` one \`kind.group/name\` a line. Answers go to standard output,
notes and errors to standard error. On a pipe there are no colours and no spinner; on a terminal [\`NO_COLOR\`](https://no-color.org) takes the colours away.

**Waiting.** Commands that change something wait until it is done, with \`--no-wait\` only until the server has accepted it. How long is \`--timeout\`, and
\`--wait-timeout\` for \`deploy\`, whose \`--timeout\` is that of requests.

**Exit status.** ${exitCodes.ok}: done. ${exitCodes.failure}: it failed. ${exitCodes.usage}: the command line is wrong, and nothing was tried. ${exitCodes.cancelled}: interrupted by Ctrl-C.

${commands.map(page).join("\n")}`;

await writeOrCheck(new URL("../docs/reference/cli.md", import.meta.url), text, "scripts/cli-reference.ts");

function leaves(command: Command): Command[] {
  return command.commands.flatMap((child) => (child.commands.length === 0 ? [child] : leaves(child)));
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function page(command: Command): string {
  const usage = `${pathOf(command)} ${command.usage().replace(/^\[options\] ?/, "")}`.trim();
  const argumentLines = command.registeredArguments.map((argument) => {
    const choices = argument.argChoices === undefined ? "" : ` (${argument.argChoices.join(", ")})`;
    return `| \`${argument.required ? `<${argument.name()}>` : `[${argument.name()}]`}\` | ${cell(argument.description)}${choices} |`;
  });
  const lines = [...argumentLines, ...command.options.filter((option) => !option.hidden).map(optionRow)];
  return `## ${pathOf(command)}

${command.description()}.

\`\`\`
${usage} [options]
\`\`\`
${lines.length === 0 ? "" : `\n| | |\n| --- | --- |\n${lines.join("\n")}\n`}${examplesOf(command)}`;
}

function optionRow(option: Option): string {
  const choices = option.argChoices === undefined ? "" : ` (${option.argChoices.join(", ")})`;
  const given = option.defaultValueDescription ?? option.defaultValue;
  const isPlain = typeof given === "string" || typeof given === "number";
  const mandatory = option.mandatory ? "; required" : "";
  return `| \`${option.flags.replaceAll("|", "\\|")}\` | ${cell(option.description)}${choices}${isPlain ? `; default: ${given}` : ""}${mandatory} |`;
}

function cell(words: string): string {
  return words.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

/** Help text after the options, as the command prints it. */
function examplesOf(command: Command): string {
  let help = "";
  command.configureOutput({ writeOut: (words) => (help += words) });
  command.outputHelp();
  const at = help.indexOf("\nExamples:\n");
  if (at === -1) return "";
  const body = help
    .slice(at + "\nExamples:\n".length)
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^ {2}/, ""));
  return `\n\`\`\`sh\n${body.join("\n")}\n\`\`\`\n`;
}
