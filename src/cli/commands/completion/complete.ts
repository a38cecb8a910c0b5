/**
 * `elafros __complete -- WORD...`: what may stand where the last word is. Called by the scripts of `elafros completion`.
 */
import { Command, type Option } from "commander";
import { KubeconfigError, loadKubeconfig } from "../../../client/kubeconfig.ts";
import { defaultDataDir, type Factory } from "../../factory.ts";
import { Build, BuildTemplate, Configuration, Revision, Route, Secret } from "../../objects.ts";
import { createProgram } from "../../program.ts";
import { usableTemplates } from "../../templates.ts";

/** One candidate and what it is. */
export interface Candidate {
  word: string;
  about: string;
}

export function completeCommand(factory: Factory): Command {
  return new Command("__complete")
    .description("Answer the completion scripts")
    .argument("[words...]")
    .action(async (words: string[]) => {
      for (const { word, about } of await complete(words, factory)) {
        factory.io.line(about === "" ? word : `${word}\t${about}`);
      }
    });
}

/** The candidates for the last of `words`, which is what was typed of it. */
export async function complete(words: readonly string[], factory: Factory): Promise<Candidate[]> {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const program = await createProgram(factory, (name) => before.includes(name));
  const { command, rest } = descend(program, before);
  const candidates = await candidatesOf(command, { typed, rest, before, factory });
  return candidates.filter(({ word }) => word.startsWith(typed));
}

/** The command that the words lead to, and the words after it. */
function descend(program: Command, words: readonly string[]): { command: Command; rest: string[] } {
  let command = program;
  let rest: string[] = [];
  for (const word of words) {
    const child = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (child === undefined || rest.length > 0) rest.push(word);
    else {
      command = child;
      rest = [];
    }
  }
  return { command, rest };
}

interface Place {
  typed: string;
  rest: readonly string[];
  before: readonly string[];
  factory: Factory;
}

async function candidatesOf(command: Command, place: Place): Promise<Candidate[]> {
  const last = place.rest.at(-1) ?? "";
  const option = command.options.find(
    (one) => (one.short === last || one.long === last) && (one.required || one.optional),
  );
  if (option !== undefined) return valuesOf(option, place);
  if (place.typed.startsWith("-")) {
    return command.options
      .filter((one) => !one.hidden && one.long !== undefined && one.long !== null)
      .map((one) => ({ word: one.long ?? "", about: one.description }))
      .concat({ word: "--help", about: "show help" });
  }
  const children = command.commands.filter((child) => !child.name().startsWith("_"));
  if (children.length > 0)
    return children.map((child) => ({ word: child.name(), about: child.summary() || child.description() }));
  const [argument] = command.registeredArguments;
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices.map((word) => ({ word, about: "" }));
  return namesFor(argument.name() === "service" ? "services" : (command.parent?.name() ?? ""), place);
}

function valuesOf(option: Option, place: Place): Promise<Candidate[]> {
  if (option.argChoices !== undefined) return Promise.resolve(option.argChoices.map((word) => ({ word, about: "" })));
  switch (option.long) {
    case "--service":
      return namesFor("services", place);
    case "--revision":
      return namesFor("revisions", place);
    case "--pull-secret":
      return namesFor("secrets", place);
    case "--template":
      return namesFor("templates", place);
    case "--region":
      return regions(place);
    default:
      return Promise.resolve([]);
  }
}

const kinds = {
  services: Route,
  routes: Route,
  configurations: Configuration,
  revisions: Revision,
  builds: Build,
  templates: BuildTemplate,
  secrets: Secret,
};

/** Names on the server. Completion says nothing about a server that can't be asked. */
async function namesFor(noun: string, { before, factory }: Place): Promise<Candidate[]> {
  const kind = kinds[noun as keyof typeof kinds] as (typeof kinds)[keyof typeof kinds] | undefined;
  if (kind === undefined) return [];
  try {
    const session = await factory.connect({
      kubeconfig: valueOf(before, "--kubeconfig"),
      region: valueOf(before, "--region"),
      namespace: valueOf(before, "--namespace") ?? valueOf(before, "-n"),
    });
    const { client, namespace } = session;
    const found =
      kind === BuildTemplate
        ? await usableTemplates(session)
        : (await client.list(kind as typeof Route, { namespace })).items;
    client.close();
    return found.map((object) => ({ word: object.metadata.name, about: "" }));
  } catch {
    return [];
  }
}

async function regions({ before, factory }: Place): Promise<Candidate[]> {
  try {
    const { env, cwd } = factory;
    const path = valueOf(before, "--kubeconfig");
    const config = await loadKubeconfig({ path, env, cwd, fallback: `${defaultDataDir}/kubeconfig` });
    return [...config.contexts.keys()].map((word) => ({ word, about: "" }));
  } catch (error) {
    if (error instanceof KubeconfigError) return [];
    throw error;
  }
}

function valueOf(words: readonly string[], flag: string): string | undefined {
  const at = words.indexOf(flag);
  return at === -1 ? undefined : words[at + 1];
}
