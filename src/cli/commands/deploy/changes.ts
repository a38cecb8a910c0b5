import { resolve } from "node:path";
import { autoscalingPrefix } from "../../../api/autoscaling.ts";
import { deployedAtAnnotation, gitCommitAnnotation, gitDirtyAnnotation } from "../../../api/labels.ts";
import { readEnvFile } from "../../env-file.ts";
import type { Factory } from "../../factory.ts";
import type { KeyChange } from "../../options.ts";
import type { DeployContent } from "./content.ts";
import type { DeployOptions } from "./deploy.ts";
import type { TemplateChanges } from "../../template.ts";

/** Reads the env files and puts them together with the options. `--env` wins over `--env-file`. */
export async function collectChanges(
  options: DeployOptions,
  factory: Factory,
  { image, type, git }: Pick<DeployContent, "image" | "type" | "git">,
): Promise<TemplateChanges> {
  const env: KeyChange[] = [];
  for (const file of options.envFile) env.push(...(await readEnvFile(resolve(factory.cwd, file))));
  env.push(...options.env);
  return {
    image,
    type,
    env,
    secrets: options.secret,
    pullSecrets: options.pullSecret,
    labels: options.label,
    annotations: [
      // With milliseconds: each deploy makes a new Revision, also the second one within a second.
      { key: deployedAtAnnotation, value: new Date(factory.clock.now()).toISOString() },
      { key: gitCommitAnnotation, ...(git === undefined ? {} : { value: git.commit }) },
      { key: gitDirtyAnnotation, ...(git === undefined ? {} : { value: String(git.dirty) }) },
      ...scaleOf("min-scale", options.minScale),
      ...scaleOf("max-scale", options.maxScale),
      ...(options.annotation ?? []),
    ],
    port: options.port,
    protocol: options.protocol,
    cpu: options.cpu,
    memory: options.memory,
    concurrency: options.concurrency,
    timeoutSeconds: options.timeout,
    serviceAccount: options.serviceAccount,
  };
}

function scaleOf(name: string, count: number | undefined): KeyChange[] {
  return count === undefined ? [] : [{ key: autoscalingPrefix + name, value: String(count) }];
}
