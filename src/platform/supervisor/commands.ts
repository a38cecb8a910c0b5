/** What the supervisor can be asked over its local socket: HTTP with JSON, for root only (the directory is 0700). */
import { chmod, rm } from "node:fs/promises";
import http from "node:http";
import type { Log } from "../../lib/log.ts";

export interface SupervisorCommands {
  /** Ends everything, instances included, then the supervisor. Resolves before the supervisor itself ends. */
  stop(): Promise<void>;
  /** Replaces one process without a gap where it can run twice, else restarts it. */
  replace(name: string): Promise<void>;
}

/** Serves the commands at `path`. */
export async function serveCommands(path: string, commands: SupervisorCommands, log: Log): Promise<http.Server> {
  await rm(path, { force: true });
  const server = http.createServer((request, response) => {
    const answer = (code: number, body: object) => {
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const [, verb, name] = (request.url ?? "").split("/");
    const work =
      request.method !== "POST"
        ? undefined
        : verb === "stop"
          ? commands.stop()
          : verb === "replace" && name !== undefined
            ? commands.replace(name)
            : undefined;
    if (work === undefined) {
      answer(404, { error: `Unknown command "${request.method} ${request.url}"` });
      return;
    }
    work.then(
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

/**
 * Sends a command to a running supervisor.
 * @throws Error with its sentence; with `code` ENOENT or ECONNREFUSED where none listens
 */
export async function sendCommand(socketPath: string, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = http.request({ socketPath, path, method: "POST" }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (body += part));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error((JSON.parse(body || "{}") as { error?: string }).error ?? `HTTP ${response.statusCode}`));
      });
    });
    request.on("error", reject);
    request.end();
  });
}
