import { isAbsolute, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { memoryBytes } from "../../../api/meta/quantity.ts";
import { type AcmeOptions, acmeOptions, acmeOptionsOf } from "../../acme-options.ts";
import { domainName } from "../../domain-name.ts";
import type { Factory } from "../../factory.ts";
import { duration, examples, hostPort, repeated, wholeNumber } from "../../options.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface UpCommandOptions extends AcmeOptions {
  dataDir: string;
  api?: string;
  http?: string;
  https?: string;
  httpsRedirect?: boolean;
  domain?: string;
  apiSan?: string[];
  region?: string;
  allowHost?: number[];
  verboseErrors?: boolean;
  maxBuilds?: number;
  maxSourceSize?: number;
  buildRetention?: number;
  allowFileSources?: string[];
  accessLog?: string;
  accessLogSampling?: number;
  otlpEndpoint?: string;
  traceSampling?: number;
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
    .option("--https <host:port>", "where the gateway serves HTTPS (default: none)", hostPortOrNone)
    .option("--https-redirect", "send plain requests for hosts with a certificate to HTTPS")
    .option("--no-https-redirect", "take that back");
  acmeOptions(command)
    .option("--domain <domain>", "services answer at SERVICE.NAMESPACE.DOMAIN (default: localhost)", domainName)
    .option(
      "--api-san <name>",
      "another name or address of the API server, for its certificate (repeatable; none: no others)",
      orNone(repeated),
    )
    .option("--region <name>", "the name of the kubeconfig's context (default: local)", contextName)
    .option(
      "--allow-host <port>",
      "a port of this machine that instances may reach as host.elafros.internal (repeatable; none: no port)",
      orNone(port),
    )
    .option("--verbose-errors", "add the reason's message to 503 answers; for development, it may hold secrets")
    .option("--no-verbose-errors", "take that back")
    .option("--max-builds <number>", "builds under way at once (default: one per processor)", wholeNumber(1, 100))
    .option("--max-source-size <quantity>", "most bytes of an uploaded source, such as 1Gi (default: 512Mi)", bytes)
    .option(
      "--build-retention <duration>",
      "how long finished builds and their logs are kept (default: 168h)",
      duration,
    )
    .option(
      "--allow-file-sources <dir>",
      "a directory whose git repositories anyone who may build can clone as file:///… (repeatable; none: no directory)",
      orNone(directory),
    )
    .option(
      "--access-log <file>",
      "a line of JSON per request goes there (-: DATA_DIR/logs/access.log, in the foreground also to standard output; none: nowhere, the default)",
      logFile,
    )
    .option("--access-log-sampling <ratio>", "the share of requests that it has, from 0 to 1 (default: 1)", ratio)
    .option(
      "--otlp-endpoint <url>",
      "spans of requests and cold starts go to this OpenTelemetry collector, such as http://127.0.0.1:4318 (none: nowhere, the default)",
      collector,
    )
    .option(
      "--trace-sampling <ratio>",
      "the share of requests of which a trace is begun where they bring none, from 0 to 1 (default: 0.1)",
      ratio,
    )
    .option("--detach", "return once it serves, instead of staying in the foreground", false)
    .option("--install", "write and start a systemd unit that runs this at each boot", false);
  examples(command, [
    "sudo elafros up --detach",
    "sudo elafros up --domain apps.example.com --http 0.0.0.0:80 --https 0.0.0.0:443 --api 0.0.0.0:6443 --api-san apps.example.com --install",
    "sudo elafros up --data-dir /var/lib/elafros-2 --api 127.0.0.1:7443 --http 127.0.0.1:9080",
  ]);
  return command.action(async (options: UpCommandOptions) => run(options, factory));
}

async function runUp(options: UpCommandOptions, factory: Factory): Promise<void> {
  const { api, http, https, httpsRedirect, domain, apiSan, region, allowHost, verboseErrors } = options;
  const { maxBuilds, maxSourceSize, buildRetention, allowFileSources } = options;
  const { accessLog, accessLogSampling, otlpEndpoint, traceSampling } = options;
  await factory.platform.up({
    dataDir: dataDirOf(options, factory),
    detach: options.detach,
    install: options.install,
    print: (line) => factory.io.line(line),
    ...(api === undefined ? {} : { api }),
    ...(http === undefined ? {} : { http }),
    ...(https === undefined ? {} : { https }),
    ...(httpsRedirect === undefined ? {} : { httpsRedirect }),
    ...acmeOptionsOf(options),
    ...(domain === undefined ? {} : { domain }),
    ...(apiSan === undefined ? {} : { apiSans: apiSan }),
    ...(region === undefined ? {} : { region }),
    ...(allowHost === undefined ? {} : { allowHostPorts: allowHost }),
    ...(verboseErrors === undefined ? {} : { verboseErrors }),
    ...(maxBuilds === undefined ? {} : { maxBuilds }),
    ...(maxSourceSize === undefined ? {} : { maxSourceBytes: maxSourceSize }),
    ...(buildRetention === undefined ? {} : { buildRetentionSeconds: buildRetention }),
    ...(allowFileSources === undefined ? {} : { fileSources: allowFileSources }),
    ...(accessLog === undefined ? {} : { accessLog }),
    ...(accessLogSampling === undefined ? {} : { accessLogSampling }),
    ...(otlpEndpoint === undefined ? {} : { otlpEndpoint }),
    ...(traceSampling === undefined ? {} : { traceSampling }),
  });
}

function hostPortOrNone(text: string): string {
  return text === "none" ? text : hostPort(text);
}

function contextName(text: string): string {
  if (!/^[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$/.test(text)) {
    throw new InvalidArgumentError("Give at most 63 letters, digits, dashes, dots and underscores.");
  }
  return text;
}

function bytes(text: string): number {
  const value = memoryBytes(text);
  if (value === undefined || value < 1)
    throw new InvalidArgumentError("Give a quantity of bytes such as 256Mi or 1Gi.");
  return value;
}

/** Collects a list, which the word `none` empties: a list that isn't given is that of the last `up`. */
function orNone<Value>(add: (text: string, before?: Value[]) => Value[]): (text: string, before?: Value[]) => Value[] {
  return (text, before) => (text === "none" ? [] : add(text, before));
}

function logFile(text: string): string {
  return text === "-" || text === "none" ? text : resolve(text);
}

function ratio(text: string): number {
  const value = /^(?:\d+(?:\.\d+)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError("Give a number from 0 to 1, such as 0.05.");
  return value;
}

function collector(text: string): string {
  if (text === "none") return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (url === undefined || !isHttp || url.username !== "" || url.search !== "" || url.hash !== "") {
    throw new InvalidArgumentError(
      "Give the base URL of a collector that takes OTLP over HTTP, without credentials or query, such as http://127.0.0.1:4318.",
    );
  }
  return text;
}

function directory(text: string, before: string[] = []): string[] {
  if (!isAbsolute(text) || text === "/") {
    throw new InvalidArgumentError("Give the absolute path of a directory, such as /srv/git.");
  }
  return [...before, text];
}

function port(text: string, before: number[] = []): number[] {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 65_535) throw new InvalidArgumentError("Give a port from 1 to 65535.");
  return [...before, value];
}
