import { resolve } from "node:path";
import type { Command } from "commander";
import { defaultDataDir, type Factory } from "./factory.ts";

/** Adds `--data-dir`. */
export function dataDirOption(command: Command): Command {
  return command.option("--data-dir <directory>", "where everything of this installation is kept", defaultDataDir);
}

/** The data directory as an absolute path. */
export function dataDirOf(options: { dataDir: string }, factory: Pick<Factory, "cwd">): string {
  return resolve(factory.cwd, options.dataDir);
}
