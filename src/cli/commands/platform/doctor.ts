import { Command } from "commander";
import type { Finding } from "../../../platform/types.ts";
import { FailureError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { examples, outputOption, type OutputOptions } from "../../options.ts";
import { printView } from "../../print.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";
import { type ClusterTargetOptions, clusterTargetOptions, isOfCluster, onKubernetes } from "./cluster-target.ts";

export interface DoctorCommandOptions extends OutputOptions, ClusterTargetOptions {
  dataDir: string;
}

export function doctorCommand(
  factory: Factory,
  run: (options: DoctorCommandOptions, factory: Factory) => Promise<void> = runDoctor,
): Command {
  const command = new Command("doctor").description(
    "Check that this machine, or with --region or --kubeconfig a cluster, has what Elafros needs, and say how to get what is missing. Exit status 1 where 'up' or 'install' would fail",
  );
  clusterTargetOptions(outputOption(dataDirOption(command)));
  examples(command, ["elafros doctor", "elafros doctor --region staging"]);
  return command.action(async (options: DoctorCommandOptions) => run(options, factory));
}

async function runDoctor(options: DoctorCommandOptions, factory: Factory): Promise<void> {
  if (!isOfCluster(options)) {
    const findings = await factory.platform.doctor({ dataDir: dataDirOf(options, factory) });
    return tell(findings, { options, factory, what: "This machine" });
  }
  return onKubernetes(options, factory, async ({ client, region }) => {
    const findings = await factory.platform.clusterDoctor(client);
    await tell(findings, { options, factory, what: `Region "${region}"` });
  });
}

async function tell(
  findings: readonly Finding[],
  { options, factory, what }: { options: DoctorCommandOptions; factory: Factory; what: string },
): Promise<void> {
  const { io } = factory;
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
  if (missing.length > 0) throw new FailureError(`${what} can't run Elafros yet: ${missing.join(", ")}`);
}
