import { Command } from "commander";
import { FailureError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { examples, outputOption, type OutputOptions } from "../../options.ts";
import { printView } from "../../print.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface DoctorCommandOptions extends OutputOptions {
  dataDir: string;
}

export function doctorCommand(
  factory: Factory,
  run: (options: DoctorCommandOptions, factory: Factory) => Promise<void> = runDoctor,
): Command {
  const command = new Command("doctor").description(
    "Check that this machine has what Elafros needs, and say how to get what is missing. Exit status 1 where 'up' would fail",
  );
  outputOption(dataDirOption(command));
  examples(command, ["elafros doctor"]);
  return command.action(async (options: DoctorCommandOptions) => run(options, factory));
}

async function runDoctor(options: DoctorCommandOptions, factory: Factory): Promise<void> {
  const { io } = factory;
  const findings = await factory.platform.doctor({ dataDir: dataDirOf(options, factory) });
  if (options.output === "table") {
    for (const { check, ok, message, fix, required } of findings) {
      const mark = ok ? io.paint.green("✓") : required ? io.paint.red("✗") : io.paint.yellow("!");
      io.line(`${mark} ${check}: ${message}`);
      if (!ok && fix !== undefined) io.line(`    ${fix}`);
    }
  } else {
    await printView(io, options.output, {
      table: { columns: [], rows: [] },
      data: { findings },
      names: findings.map((finding) => `check/${finding.check}`),
    });
  }
  const missing = findings.filter((finding) => finding.required && !finding.ok).map((finding) => finding.check);
  if (missing.length > 0) throw new FailureError(`This machine can't run Elafros yet: ${missing.join(", ")}`);
}
