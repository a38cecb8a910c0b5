/**
 * `elafros invoke`: the command line. What it does is in run.ts.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import type { Factory, ServerOptions } from "../../factory.ts";
import { duration, examples, hostPort, serverOptions, serviceName, targetName } from "../../options.ts";
import { runInvoke } from "./run.ts";

/** A header as it was given: name and value. */
export type HeaderOption = readonly [name: string, value: string];

export interface InvokeOptions extends ServerOptions {
  service?: string;
  data?: string;
  file?: string;
  method?: string;
  path: string;
  header: HeaderOption[];
  /** The CloudEvent's type; absent: a plain request. */
  event?: string;
  eventSource?: string;
  eventId?: string;
  /** The name of a target, which has an address of its own. */
  target?: string;
  /** Where to connect, instead of where the host's name leads. */
  address?: string;
  include: boolean;
  /** Seconds until the whole answer must be there. */
  timeout: number;
}

const defaultTimeoutSeconds = 600;

export function invokeCommand(
  factory: Factory,
  run: (options: InvokeOptions, factory: Factory) => Promise<void> = runInvoke,
): Command {
  const command = new Command("invoke")
    .description(
      "Send an HTTP request or a CloudEvent to a service. The answer's body goes to standard output, its status to standard error; exit status 1 from 400 on",
    )
    .argument("[service]", "the service (default: the one last given in this directory)", serviceName)
    .addOption(new Option("-d, --data <text>", "what to send").conflicts("file"))
    .option("-f, --file <file>", "send the content of a file; - is standard input")
    .option("-X, --method <method>", "the request's method (default: POST with data or an event, else GET)", methodName)
    .option("--path <path>", "the request's path and query", requestPath, "/")
    .option("-H, --header <header>", "a header, such as 'Accept: text/html' (repeatable)", header)
    .option("--event <type>", "send a CloudEvent of this type, in binary mode", nonEmpty)
    .option("--event-source <uri>", "where the event comes from (default: elafros/cli)", nonEmpty)
    .option("--event-id <id>", "the event's id (default: a new one)", nonEmpty)
    .option("--target <name>", "ask the revision behind a target's own address, such as next", targetName)
    .option("--address <host:port>", "connect there, where the service's host has no DNS entry", hostPort)
    .option("-i, --include", "print the answer's headers too, to standard error", false)
    .option("--timeout <duration>", "how long to wait for the answer, such as 90, 90s or 5m", duration);
  serverOptions(command);
  examples(command, [
    "elafros invoke hello",
    `elafros invoke hello --path /orders --data '{"item": 1}'`,
    `elafros invoke thumbnails --event com.example.uploaded --data '{"name": "cat.png"}'`,
    "elafros invoke hello --target next --file body.json --method PUT",
  ]);
  type Given = Omit<InvokeOptions, "service" | "header" | "timeout"> &
    Partial<Pick<InvokeOptions, "header" | "timeout">>;
  return command.action(async (service: string | undefined, options: Given) => {
    const whole = { header: [], timeout: defaultTimeoutSeconds, ...options };
    await run(service === undefined ? whole : { ...whole, service }, factory);
  });
}

function methodName(text: string): string {
  if (!/^[A-Za-z]{1,20}$/.test(text) || text.toUpperCase() === "CONNECT") {
    throw new InvalidArgumentError("Give a method such as GET, POST, PUT, PATCH or DELETE.");
  }
  return text.toUpperCase();
}

function requestPath(text: string): string {
  if (!/^\/[\u0021-\u007E]*$/.test(text) || text.includes("#")) {
    throw new InvalidArgumentError(
      "Give a path that begins with /, such as /orders?id=1, with other characters than printable ASCII percent-encoded.",
    );
  }
  return text;
}

/** Those that say where a request goes and where its body ends. */
const ownHeaders = new Set(["host", "content-length", "transfer-encoding", "connection", "upgrade", "expect"]);

function header(text: string, before: HeaderOption[] = []): HeaderOption[] {
  const match = /^([-!#$%&'*+.^_`|~0-9A-Za-z]+):[ \t]*([\t\u0020-\u007E\u0080-\u00FF]*)$/.exec(text);
  const [, name = "", value = ""] = match ?? [];
  if (match === null) throw new InvalidArgumentError("Give 'NAME: VALUE', such as 'Accept: text/html'.");
  if (ownHeaders.has(name.toLowerCase())) {
    throw new InvalidArgumentError(`"${name}" is set from the service's address and what is sent.`);
  }
  return [...before, [name, value.trimEnd()]];
}

function nonEmpty(text: string): string {
  if (text.trim() === "" || text.length > 1000) throw new InvalidArgumentError("Give 1 to 1000 characters.");
  return text;
}
