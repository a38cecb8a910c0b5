import { Command, InvalidArgumentError } from "commander";
import type { Factory } from "../../factory.ts";
import { examples, hostPort, repeated } from "../../options.ts";
import { dataDirOf, dataDirOption } from "./data-dir.ts";

export interface UpCommandOptions {
  dataDir: string;
  api?: string;
  http?: string;
  domain?: string;
  apiSan?: string[];
  region?: string;
  allowHost?: number[];
  verboseErrors?: boolean;
  detach: boolean;
  install: boolean;
}

export function upCommand(
  factory: Factory,
  run: (options: UpCommandOptions, factory: Factory) => Promise<void> = runUp,
): Command {
  const command = new Command("up").description(
    "Start Elafros on this machine. What isn't given keeps the value of the last 'up' on that data directory",
  );
  dataDirOption(command)
    .option("--api <host:port>", "where the API server listens (default: 127.0.0.1:6443)", hostPort)
    .option("--http <host:port>", "where the gateway listens (default: 127.0.0.1:8080)", hostPort)
    .option("--domain <domain>", "services answer at SERVICE.NAMESPACE.DOMAIN (default: localhost)", domainName)
    .option("--api-san <name>", "another name or address of the API server, for its certificate (repeatable)", repeated)
    .option("--region <name>", "the name of the kubeconfig's context (default: local)", contextName)
    .option(
      "--allow-host <port>",
      "a port of this machine that instances may reach as host.elafros.internal (repeatable)",
      port,
    )
    .option("--verbose-errors", "add the reason's message to 503 answers; for development, it may hold secrets")
    .option("--no-verbose-errors", "take that back")
    .option("--detach", "return once it serves, instead of staying in the foreground", false)
    .option("--install", "write and start a systemd unit that runs this at each boot", false);
  examples(command, [
    "sudo elafros up --detach",
    "sudo elafros up --domain apps.example.com --http 0.0.0.0:80 --api 0.0.0.0:6443 --api-san apps.example.com --install",
    "sudo elafros up --data-dir /var/lib/elafros-2 --api 127.0.0.1:7443 --http 127.0.0.1:9080",
  ]);
  return command.action(async (options: UpCommandOptions) => run(options, factory));
}

async function runUp(options: UpCommandOptions, factory: Factory): Promise<void> {
  const { api, http, domain, apiSan, region, allowHost, verboseErrors } = options;
  await factory.platform.up({
    dataDir: dataDirOf(options, factory),
    detach: options.detach,
    install: options.install,
    print: (line) => factory.io.line(line),
    ...(api === undefined ? {} : { api }),
    ...(http === undefined ? {} : { http }),
    ...(domain === undefined ? {} : { domain }),
    ...(apiSan === undefined ? {} : { apiSans: apiSan }),
    ...(region === undefined ? {} : { region }),
    ...(allowHost === undefined ? {} : { allowHostPorts: allowHost }),
    ...(verboseErrors === undefined ? {} : { verboseErrors }),
  });
}

function domainName(text: string): string {
  if (text.length > 120 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text)) {
    throw new InvalidArgumentError("Give a DNS name in lower case, such as apps.example.com.");
  }
  return text;
}

function contextName(text: string): string {
  if (!/^[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$/.test(text)) {
    throw new InvalidArgumentError("Give at most 63 letters, digits, dashes, dots and underscores.");
  }
  return text;
}

function port(text: string, before: number[] = []): number[] {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 65_535) throw new InvalidArgumentError("Give a port from 1 to 65535.");
  return [...before, value];
}
