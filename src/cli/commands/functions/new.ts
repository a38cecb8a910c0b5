import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { FailureError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { remember } from "../../memory.ts";
import { examples, serviceName } from "../../options.ts";
import { scaffoldFunction } from "../../scaffold/function.ts";

export interface FunctionsNewOptions {
  name: string;
  directory?: string;
}

export function functionsNewCommand(
  factory: Factory,
  run: (options: FunctionsNewOptions, factory: Factory) => Promise<void> = runFunctionsNew,
): Command {
  const command = new Command("new")
    .description("Make a directory with a Node.js function and its test")
    .argument("<name>", "the function, which is also the service that it is deployed as", serviceName)
    .option("--directory <directory>", "where to make it (default: a directory of that name)");
  examples(command, ["elafros functions new hello", "elafros functions new hello --directory functions/hello"]);
  return command.action(async (name: string, options: Omit<FunctionsNewOptions, "name">) =>
    run({ ...options, name }, factory),
  );
}

async function runFunctionsNew({ name, directory = name }: FunctionsNewOptions, { io, cwd }: Factory): Promise<void> {
  const place = resolve(cwd, directory);
  const files = scaffoldFunction(name);
  try {
    await mkdir(place, { recursive: true });
    if ((await readdir(place)).length > 0) {
      throw new FailureError(`Directory "${directory}" is not empty: choose another one with --directory, or empty it`);
    }
    for (const { path, content } of files) await writeFile(join(place, path), content, { flag: "wx" });
  } catch (error) {
    if (error instanceof FailureError) throw error;
    throw new FailureError(`Cannot make "${directory}": ${(error as Error).message}`, { cause: error });
  }
  // So that the commands there are about this function without being told.
  await remember(place, { service: name, source: { source: ".", function: true } });
  io.line(`${io.paint.green("✓")} Created function [${name}] in ${directory}`);
  for (const { path } of files) io.line(`  ${path}`);
  io.line(`Try it: cd ${directory} && npm test, then 'elafros run' or 'elafros deploy'`);
}
