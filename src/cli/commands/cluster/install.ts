import { Command, InvalidArgumentError, Option } from "commander";
import { memoryBytes } from "../../../api/meta/quantity.ts";
import type { HttpClient } from "../../../client/http.ts";
import { UsageError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { createProgress, type Progress } from "../../io.ts";
import { examples, waitFlags } from "../../options.ts";
import { type AcmeOptions, acmeOptions, acmeOptionsOf } from "../../acme-options.ts";
import { domainName } from "../../domain-name.ts";

const holdMs = 60_000;

export interface ClusterTarget {
  kubeconfig?: string;
  context?: string;
  namespace?: string;
}

export interface InstallCommandOptions extends ClusterTarget, AcmeOptions {
  domain?: string;
  image?: string;
  https?: boolean;
  httpsRedirect?: boolean;
  toolsImage?: string;
  buildRegistry?: string;
  buildRegistrySecret?: string;
  authorities?: string;
  stepMemory?: string;
  stepMemoryRequest?: string;
  dryRun: boolean;
  output?: "yaml" | "json";
  wait: boolean;
}

/** What isn't given stays as it is installed. */
export function installCommand(
  factory: Factory,
  run: (options: InstallCommandOptions, factory: Factory) => Promise<void> = runInstall,
): Command {
  const command = clusterOptions(
    new Command("install").description(
      "Install Elafros on a Kubernetes, or bring an installation there to this version: the kinds, controllers and gateways",
    ),
  )
    .option(
      "--domain <domain>",
      "services answer at SERVICE.NAMESPACE.DOMAIN (default: as installed, else example.com)",
      domainName,
    )
    .option(
      "--image <image>",
      "the image of Elafros, as the cluster's nodes pull it (default: that of npm run image)",
      imageName,
    )
    .option(
      "--tools-image <image>",
      "the image with git and buildah, which steps of builds run (default: that of npm run image -- --tools)",
      imageName,
    )
    .option(
      "--build-registry <place>",
      "HOST/PREFIX of the registry that keeps what builds make and users upload (default: as installed)",
      imageName,
    )
    .option(
      "--build-registry-secret <name>",
      "a Secret in the namespace of the controllers with credentials for it (kubernetes.io/dockerconfigjson; ca.crt: its authority)",
      namespaceName,
    )
    .option(
      "--authorities <name>",
      "a ConfigMap in the namespace of the controllers with authorities (ca.crt) to trust besides the public ones for git servers and registries, or none",
      namespaceName,
    )
    .option(
      "--step-memory <quantity>",
      "the most memory of a build's step that has no limit of its own, or none (default: as installed, else 4Gi)",
      quantityOrNone,
    )
    .option(
      "--step-memory-request <quantity>",
      "what is set aside on a node for a step that says nothing of memory, or none (default: as installed, else 256Mi)",
      quantityOrNone,
    )
    .option("--https", "serve HTTPS at port 443 of the gateways' Service")
    .option("--no-https", "take that back, and what was said of an ACME server")
    .option("--https-redirect", "send plain requests for hosts with a certificate to HTTPS")
    .option("--no-https-redirect", "take that back");
  acmeOptions(command)
    .option("--dry-run", "print what would be applied, and apply nothing", false)
    .addOption(new Option("-o, --output <format>", "with --dry-run: how to print it").choices(["yaml", "json"]));
  waitFlags(command);
  examples(command, [
    "elafros install --kubeconfig ~/.kube/config --domain apps.example.com --image registry.example.com/elafros:0.1.0",
    "elafros install --https --https-redirect --acme-server https://acme-v02.api.letsencrypt.org/directory --acme-email admin@example.com",
    "elafros install --dry-run -o yaml --domain apps.example.com > elafros.yaml",
  ]);
  return command.action(async (options: InstallCommandOptions) => run(options, factory));
}

/** Adds what `install` and `uninstall` share: which cluster, and where in it. */
export function clusterOptions(command: Command): Command {
  return command
    .option("--kubeconfig <file>", "the cluster (default: KUBECONFIG)")
    .option("--context <name>", "a context of that file (default: its current one)")
    .option("--namespace <name>", "where controllers and gateways run (default: elafros-system)", namespaceName);
}

/** Runs work on the cluster that the options name, its steps shown. */
export async function onCluster(
  { kubeconfig, context }: ClusterTarget,
  factory: Factory,
  work: (client: HttpClient, steps: Progress) => Promise<void>,
): Promise<void> {
  const { client } = await factory.connect({ kubeconfig, region: context });
  const steps = createProgress(factory.io, factory.clock);
  // Between two looks at what is waited for nothing else keeps the process.
  const hold = setInterval(() => {}, holdMs);
  try {
    await work(client, steps);
  } catch (error) {
    steps.fail();
    throw error;
  } finally {
    clearInterval(hold);
    steps.stop();
    client.close();
  }
}

async function runInstall(options: InstallCommandOptions, factory: Factory): Promise<void> {
  const {
    namespace,
    domain,
    image,
    toolsImage,
    buildRegistry,
    buildRegistrySecret,
    authorities,
    stepMemory,
    stepMemoryRequest,
    https,
    httpsRedirect,
    dryRun,
    output,
    wait,
  } = options;
  const told = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(domain === undefined ? {} : { domain }),
    ...(image === undefined ? {} : { image }),
    ...(buildRegistry === undefined ? {} : { buildRegistry }),
    ...(buildRegistrySecret === undefined ? {} : { buildRegistrySecret }),
    ...(authorities === undefined ? {} : { authorities }),
    ...(stepMemory === undefined ? {} : { stepMemory }),
    ...(stepMemoryRequest === undefined ? {} : { stepMemoryRequest }),
    ...(https === undefined ? {} : { https }),
    ...(httpsRedirect === undefined ? {} : { httpsRedirect }),
    ...acmeOptionsOf(options),
    ...(toolsImage === undefined ? {} : { toolsImage }),
  };
  const { io, platform } = factory;
  if (dryRun) {
    const { objects, yaml } = await platform.clusterManifests(told);
    io.write(
      output === "json" ? `${JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }, null, 2)}\n` : yaml,
    );
    return;
  }
  if (output !== undefined) throw new UsageError(`-o "${output}" is for --dry-run: add it, or leave -o out`);
  await onCluster(options, factory, (client, steps) =>
    platform.installOnCluster({ client, options: told, steps, wait }),
  );
}

function namespaceName(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError(
      "Give at most 63 lower case letters, digits and dashes, beginning and ending with a letter or digit.",
    );
  }
  return text;
}

function quantityOrNone(text: string): string {
  const bytes = memoryBytes(text);
  if (text !== "none" && (bytes === undefined || bytes < 1)) {
    throw new InvalidArgumentError("Give a quantity of bytes such as 512Mi or 4Gi, or none.");
  }
  return text;
}

function imageName(text: string): string {
  if (!/^[a-z0-9][-a-zA-Z0-9._:/@[\]]{0,500}$/.test(text)) {
    throw new InvalidArgumentError("Give the name of an image, such as registry.example.com/elafros:0.1.0.");
  }
  return text;
}
