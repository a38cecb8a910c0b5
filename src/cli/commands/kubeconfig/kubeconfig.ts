import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { writeFileAtomic } from "../../../lib/files.ts";
import type { Factory } from "../../factory.ts";
import { examples, repeated } from "../../options.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface KubeconfigOptions {
  dataDir: string;
  server: string;
  user: string;
  group: string[];
  file?: string;
}

export function kubeconfigCommand(
  factory: Factory,
  run: (options: KubeconfigOptions, factory: Factory) => Promise<void> = runKubeconfig,
): Command {
  const command = new Command("kubeconfig").description(
    "Make a kubeconfig with a certificate of its own for another person; what it may do, role bindings say",
  );
  dataDirOption(command)
    .requiredOption("--server <url>", "the API server as that person reaches it, such as https://HOST:6443", serverUrl)
    .requiredOption("--user <name>", "who it is for: the user name in role bindings", personName)
    .option("--group <name>", "a group of that person (repeatable)", repeated)
    .option("--file <file>", "where to write it, readable by its owner only (default: standard output)");
  examples(command, [
    "sudo elafros kubeconfig --server https://192.0.2.10:6443 --user alice > alice.kubeconfig",
    "kubectl create rolebinding alice --clusterrole edit --user alice --namespace default",
  ]);
  return command.action(async (options: Omit<KubeconfigOptions, "group"> & { group?: string[] }) =>
    run({ ...options, group: options.group ?? [] }, factory),
  );
}

async function runKubeconfig(options: KubeconfigOptions, factory: Factory): Promise<void> {
  const text = await factory.platform.userKubeconfig({
    dataDir: dataDirOf(options, factory),
    server: options.server,
    user: options.user,
    groups: options.group,
  });
  if (options.file === undefined) factory.io.write(text);
  else {
    const path = resolve(factory.cwd, options.file);
    await writeFileAtomic(path, text, 0o600);
    factory.io.line(`${factory.io.paint.green("✓")} Wrote ${path}`);
  }
}

function serverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.protocol !== "https:" || url.search !== "" || url.username !== "") {
    throw new InvalidArgumentError("Give a URL such as https://192.0.2.10:6443.");
  }
  return text.replace(/\/+$/, "");
}

function personName(text: string): string {
  // Names with this prefix are the platform's and Kubernetes' own: a certificate must not take one.
  if (text === "" || text.length > 64 || text.startsWith("system:")) {
    throw new InvalidArgumentError("Give a name of at most 64 characters that doesn't begin with system:.");
  }
  return text;
}
