/**
 * Options that several commands share, and how values on the command line are read. A value that can't be read is a usage
 * error that names the option, the value and the way out (commander adds the option's name).
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type OutputFormat, outputFormats } from "./print.ts";

/** Seconds to wait for the platform, where `--timeout` isn't given. */
export const defaultWaitSeconds = 600;

/** Adds `--region`, `--namespace` and `--kubeconfig`. */
export function serverOptions(command: Command): Command {
  return command
    .option("--region <name>", "the region: a context of the kubeconfig (default: its current context)")
    .option("-n, --namespace <name>", 'the namespace (default: the context\'s, else "default")')
    .option("--kubeconfig <file>", "the kubeconfig (default: KUBECONFIG, else /var/lib/elafros/kubeconfig)");
}

/** What a revision runs, by the label that `deploy --function` writes; all that are no functions are apps. */
export type ServiceType = "function" | "app";

/** Adds `--type`. */
export function typeOption(command: Command): Command {
  return command.addOption(new Option("--type <type>", "only functions, or only apps").choices(["function", "app"]));
}

/** Adds `-o`. */
export function outputOption(command: Command): Command {
  return command.addOption(
    new Option("-o, --output <format>", "how to print it")
      .choices(outputFormats)
      .default("table" satisfies OutputFormat),
  );
}

/** Adds `--wait`, `--no-wait` and `--timeout`, which says how long. */
export function waitOptions(command: Command): Command {
  return waitFlags(command).option(
    "--timeout <duration>",
    "how long to wait, such as 90, 90s or 5m",
    duration,
    defaultWaitSeconds,
  );
}

/** Adds `--wait` and `--no-wait`. */
export function waitFlags(command: Command): Command {
  return command
    .addOption(new Option("--wait", "wait until it is done").default(true, "yes"))
    .option("--no-wait", "return once the server has accepted it");
}

/** Parsed form of `outputOption` and `waitOptions`. */
export interface OutputOptions {
  output: OutputFormat;
}

export interface WaitOptions {
  wait: boolean;
  /** Seconds. */
  timeout: number;
}

/** `90`, `90s`, `5m`, `1h`: whole seconds, at least 1. */
export function duration(text: string): number {
  const match = /^(\d+)(s|m|h)?$/.exec(text);
  const units = { s: 1, m: 60, h: 3600 };
  const seconds = match === null ? 0 : Number(match[1]) * units[(match[2] ?? "s") as keyof typeof units];
  if (seconds < 1 || seconds > 1_000_000)
    throw new InvalidArgumentError("Give seconds, or a duration such as 90s, 5m or 1h.");
  return seconds;
}

/** A whole number in a range. */
export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= minimum && value <= maximum)) {
      throw new InvalidArgumentError(`Give a whole number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

/** `KEY=VALUE` sets, `KEY-` removes. */
export interface KeyChange {
  key: string;
  /** Absent: remove. */
  value?: string;
}

export interface KeyValue {
  key: string;
  value: string;
}

/** Collects repeated `KEY=VALUE` and `KEY-`. */
export function keyChange(pattern: RegExp, what: string): (text: string, before?: KeyChange[]) => KeyChange[] {
  return (text, before = []) => {
    const at = text.indexOf("=");
    const change = at === -1 ? { key: text.slice(0, -1) } : { key: text.slice(0, at), value: text.slice(at + 1) };
    if ((at === -1 && !text.endsWith("-")) || !pattern.test(change.key)) {
      throw new InvalidArgumentError(`Give ${what}=VALUE to set it, or ${what}- to remove it.`);
    }
    return [...before, change];
  };
}

/** Collects repeated `KEY=VALUE`. */
export function keyValue(pattern: RegExp, what: string): (text: string, before?: KeyValue[]) => KeyValue[] {
  return (text, before = []) => {
    const at = text.indexOf("=");
    const key = text.slice(0, Math.max(at, 0));
    if (!pattern.test(key)) throw new InvalidArgumentError(`Give ${what}=VALUE.`);
    return [...before, { key, value: text.slice(at + 1) }];
  };
}

/** Collects a repeated option. */
export function repeated(text: string, before: string[] = []): string[] {
  return [...before, text];
}

/** Names of services: DNS-1035 labels of at most 50 characters (RFC 1035 §2.3.1). */
export function serviceName(text: string): string {
  const name = text.slice(text.lastIndexOf("/") + 1);
  if (!/^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$/.test(name)) {
    throw new InvalidArgumentError(
      "Give at most 50 lower case letters, digits and dashes, beginning with a letter and ending with a letter or digit.",
    );
  }
  return name;
}

/** Names of traffic targets: DNS labels of at most 30 characters. */
export function targetName(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError(
      "Give at most 30 lower case letters, digits and dashes, beginning and ending with a letter or digit.",
    );
  }
  return text;
}

/** Names of templates' parameters. */
export const buildArgName = /^[A-Za-z_][-A-Za-z0-9_.]{0,127}$/;

/** A build template: its name, as stored or as the examples write it, or `NAMESPACE/NAME`. */
export function templateOption(text: string): string {
  if (!/^([a-z0-9]([-a-z0-9]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(text) || text.length > 253) {
    throw new InvalidArgumentError(
      "Give the name of a build template, or NAMESPACE/NAME: see 'elafros templates list'.",
    );
  }
  return text;
}

/** `HOST:PORT`, an IPv6 address in brackets. */
export function hostPort(text: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[2]) > 65_535) {
    throw new InvalidArgumentError("Give an address and a port, such as 127.0.0.1:8080 or [::1]:8080.");
  }
  return text;
}

/** Sections after the options of `--help`. */
export function examples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText("after", `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}
