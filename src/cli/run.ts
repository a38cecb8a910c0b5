/**
 * Runs one command line and decides the exit status: the only place that turns errors into words and numbers.
 */
import { CommanderError } from "commander";
import { KubeconfigError } from "../client/kubeconfig.ts";
import { ApiError } from "../api/meta/errors.ts";
import { CancelledError, exitCodes, FailureError, UsageError } from "./errors.ts";
import type { Factory } from "./factory.ts";
import { printable } from "./printable.ts";
import { createProgram } from "./program.ts";

/**
 * @param argv without `node` and the script
 * @returns the exit status
 */
export async function runCli(argv: readonly string[], factory: Factory): Promise<number> {
  try {
    const program = await createProgram(factory, commandsIn(argv));
    await program.parseAsync(argv[0] === "-V" || argv[0] === "--version" ? ["version", "--client"] : argv, {
      from: "user",
    });
    return exitCodes.ok;
  } catch (error) {
    return report(error, factory);
  }
}

/** The words that may name a command: all that come before the first option, `help` aside. */
function commandsIn(argv: readonly string[]): (name: string) => boolean {
  const first = argv.find((word) => !word.startsWith("-") && word !== "help");
  if (argv[0] === "-V" || argv[0] === "--version") return (name) => name === "version";
  return (name) => name === first;
}

function report(error: unknown, { io, signal }: Factory): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof CancelledError || signal.aborted) {
    io.note("Cancelled");
    return exitCodes.cancelled;
  }
  const label = io.paint.red("Error:");
  if (error instanceof UsageError) {
    io.note(`${label} ${error.message}`);
    return exitCodes.usage;
  }
  if (error instanceof FailureError) {
    io.note(`${label} ${printable(error.message)}`);
    for (const line of error.detail) io.note(printable(line));
    return exitCodes.failure;
  }
  if (error instanceof ApiError) {
    for (const line of apiErrorLines(error)) io.note(`${label} ${printable(line)}`);
    return exitCodes.failure;
  }
  if (error instanceof KubeconfigError) {
    io.note(`${label} ${error.message}`);
    return exitCodes.failure;
  }
  io.note(`${label} ${error instanceof Error ? error.message : String(error)}`);
  if (process.env["ELAFROS_LOG"] === "debug" && error instanceof Error) io.note(error.stack ?? "");
  return exitCodes.failure;
}

function apiErrorLines(error: ApiError): string[] {
  switch (error.reason) {
    case "Unauthorized":
      return [
        `The server doesn't accept the credentials of this kubeconfig: ${error.message}. Get a new one with 'elafros kubeconfig'`,
      ];
    case "NotFound":
      // Not an object is missing but the whole kind.
      return [isKindMissing(error) ? notInstalled : error.message];
    default:
      return [error.message];
  }
}

const notInstalled =
  "Elafros is not installed on that server: install it with 'elafros install', or choose another with --region or --kubeconfig";

/** How a Kubernetes says that it knows no such kind: by a page, or a Status without the name of an object. */
function isKindMissing({ message }: ApiError): boolean {
  return /^404 page not found|^the server could not find the requested resource/.test(message);
}
