/** What the supervisor can be asked over its local socket: HTTP with JSON, for root only (the directory is 0700). */
import { chmod, rm } from "node:fs/promises";
import type { IncomingMessage, Server } from "node:http";
import { http } from "../../lib/node-http.ts";
import type { Log } from "../../lib/log.ts";

export interface SupervisorCommands {
  /** Ends everything, instances included, then the supervisor. Resolves before the supervisor itself ends. */
  stop(): Promise<void>;
  /** Replaces one process without a gap where it can run twice, else restarts it. */
  replace(name: string): Promise<void>;
  /** Hands over to a supervisor that `command` (program and arguments) starts. Resolves when that one serves, before this one ends. */
  succeed(command: readonly string[]): Promise<void>;
}

/** Serves the commands at `path`. */
export async function serveCommands(path: string, commands: SupervisorCommands, log: Log): Promise<Server> {
  await rm(path, { force: true });
  const server = http.createServer((request, response) => {
    const answer = (code: number, body: object) => {
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const [, verb, name] = (request.url ?? "").split("/");
    const work: Record<string, () => Promise<void>> = {
      stop: () => commands.stop(),
      ...(name === undefined ? {} : { replace: () => commands.replace(name) }),
      succeed: async () => commands.succeed(asCommand(await readBody(request))),
    };
    const command = request.method === "POST" && Object.hasOwn(work, verb ?? "") ? work[verb ?? ""] : undefined;
    if (command === undefined) {
      answer(404, { error: `Unknown command "${request.method} ${request.url}"` });
      return;
    }
    command().then(
      () => answer(200, {}),
      (error: unknown) => {
        log.error({ error, command: request.url }, "command failed");
        answer(500, { error: error instanceof Error ? error.message : String(error) });
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}

/** Longer ones are no commands. */
const mostBytes = 64 * 1024;

async function readBody(request: IncomingMessage): Promise<unknown> {
  let body = "";
  for await (const part of request.setEncoding("utf8")) {
    body += String(part);
    if (body.length > mostBytes) throw new Error("The command is too long");
  }
  return JSON.parse(body);
}

function asCommand(body: unknown): readonly string[] {
  const command = (body as { command?: unknown } | null)?.command;
  if (!Array.isArray(command) || command.length === 0 || !command.every((part) => typeof part === "string")) {
    throw new Error('The command "succeed" needs "command", a program and its arguments');
  }
  return command;
}

/** The supervisor that runs doesn't know the command: it is of an earlier version. */
export class UnknownCommandError extends Error {
  override readonly name = "UnknownCommandError";
}

/** Whether a command got no answer, since no supervisor listens, or the one that did has ended. */
export function isUnanswered(error: unknown): boolean {
  return ["ENOENT", "ECONNREFUSED", "ECONNRESET"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/**
 * Sends a command to a running supervisor, with what it needs as JSON.
 * @throws Error with its sentence; UnknownCommandError where it doesn't know the command; one that `isUnanswered` knows where none listens
 */
export async function sendCommand(socketPath: string, path: string, more?: object): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // A connection of its own: another supervisor may have the socket by the next command.
    const request = http.request({ socketPath, path, method: "POST", agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (body += part));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) return resolve();
        const why = (JSON.parse(body || "{}") as { error?: string }).error ?? `HTTP ${response.statusCode}`;
        reject(response.statusCode === 404 ? new UnknownCommandError(why) : new Error(why));
      });
    });
    request.on("error", reject);
    request.end(more === undefined ? undefined : JSON.stringify(more));
  });
}
