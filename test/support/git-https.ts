/** A git server over HTTPS: git's own `http-backend`, behind a server of this process that asks for a password. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";

import { onTestFinished } from "vitest";

import type { KeyPair } from "../../src/apiserver/pki.ts";

export interface GitHttps {
  /** `https://127.0.0.1:PORT`. */
  url: string;
  /** User and password of each request, as they came; empty for none. */
  seen: string[];
}

export interface GitHttpsOptions {
  /** Repositories are below it. */
  root: string;
  tls: KeyPair;
  /** Absent: everybody may read. */
  user?: { name: string; password: string };
  /** Plain files instead of git's protocol, as a server that knows nothing of git. */
  dumb?: boolean;
  /** Any free one unless given. */
  port?: number;
  /** Only the first version of git's protocol, in which a server gives what branches and tags point at. */
  old?: boolean;
}

/** Starts one; it ends with the test. */
export async function gitHttps(options: GitHttpsOptions): Promise<GitHttps> {
  const seen: string[] = [];
  const server = createServer(options.tls, (request, response) => {
    const [, encoded = ""] = /^Basic (.*)$/.exec(request.headers.authorization ?? "") ?? [];
    const shown = Buffer.from(encoded, "base64").toString();
    seen.push(shown);
    const { user } = options;
    if (user !== undefined && shown !== `${user.name}:${user.password}`) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return;
    }
    serve(options, request, response);
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

/** One request as CGI (RFC 3875). */
function serve({ root, dumb, old }: GitHttpsOptions, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? "/", "https://localhost");
  const version = old === true ? "" : ((request.headers["git-protocol"] as string | undefined) ?? "");
  const child = spawn("git", ["-c", "safe.directory=*", "http-backend"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_NOSYSTEM: "1",
      PATH_INFO: pathname,
      QUERY_STRING: dumb === true ? "" : search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      GIT_PROTOCOL: version,
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
    },
  });
  request.pipe(child.stdin);
  child.stdin.on("error", () => {});
  let head = Buffer.alloc(0);
  let begun = false;
  child.stdout.on("data", (chunk: Buffer) => {
    if (begun) return void response.write(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    begun = true;
    const lines = head.toString("latin1", 0, end).split("\r\n");
    const fields = lines.map(
      (line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()] as const,
    );
    const status = fields.find(([name]) => name === "Status")?.[1] ?? "200";
    response.writeHead(Number.parseInt(status, 10), Object.fromEntries(fields.filter(([name]) => name !== "Status")));
    response.write(head.subarray(end + 4));
    return undefined;
  });
  child.stdout.on("end", () => response.end());
}
