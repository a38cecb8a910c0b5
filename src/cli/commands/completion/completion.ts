import { Argument, Command } from "commander";
import type { Factory } from "../../factory.ts";
import { examples } from "../../options.ts";
import { scripts, type Shell } from "./scripts.ts";

export interface CompletionOptions {
  shell: Shell;
}

export function completionCommand(
  factory: Factory,
  run: (options: CompletionOptions, factory: Factory) => Promise<void> = runCompletion,
): Command {
  const command = new Command("completion")
    .description("Print a script that completes commands, options and names in your shell")
    .addArgument(new Argument("<shell>", "the shell").choices(["bash", "zsh", "fish"]));
  examples(command, [
    'eval "$(elafros completion bash)"     # in ~/.bashrc',
    'eval "$(elafros completion zsh)"      # in ~/.zshrc',
    "elafros completion fish > ~/.config/fish/completions/elafros.fish",
  ]);
  return command.action(async (shell: Shell) => run({ shell }, factory));
}

function runCompletion({ shell }: CompletionOptions, factory: Factory): Promise<void> {
  factory.io.write(scripts[shell]);
  return Promise.resolve();
}
