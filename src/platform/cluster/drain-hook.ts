/**
 * Where kubelets ask before they tell an instance to end (`preStop` of its Pod): `GET /drained/NAMESPACE/REVISION` is answered once no
 * gateway sends anything to those Pods of the Revision that are being deleted, and their requests have ended. Whoever asks learns no more than that.
 * Of several controllers the one that leads knows; the others pass the question on to it.
 */
import { createServer, request, type Server, type ServerResponse } from "node:http";
import type { Log } from "../../lib/log.ts";
import type { WorkloadKey } from "../../runtime/workloads.ts";

export interface DrainHookOptions {
  log: Log;
  /** Answers where this process leads, else undefined. */
  drained: (key: WorkloadKey) => Promise<void> | undefined;
  /** The address of the one that leads, `host:port`; undefined where it isn't known, or is this one. */
  leader: () => string | undefined;
}

const form = /^\/drained\/([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)\/([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$/u;
/** Marks a question that was passed on, which goes no further. */
const passedOn = "x-elafros-passed-on";

/** The server; its owner has it listen. */
export function createDrainHook({ log, drained, leader }: DrainHookOptions): Server {
  const server = createServer((incoming, outgoing) => {
    const [, namespace, , name] = form.exec(incoming.url ?? "") ?? [];
    if (incoming.method !== "GET" || namespace === undefined || name === undefined) {
      answer(outgoing, 404, "not found");
      return;
    }
    const waits = drained({ namespace, name });
    const at = leader();
    if (waits !== undefined) {
      waits.then(
        () => answer(outgoing, 200, "drained"),
        (error: unknown) => {
          log.warn({ error, namespace, name }, "It can't be said when an instance is drained");
          answer(outgoing, 500, "unknown");
        },
      );
    } else if (at !== undefined && incoming.headers[passedOn] === undefined)
      passOn(`http://${at}${incoming.url}`, outgoing);
    else answer(outgoing, 503, "nobody leads");
  });
  // A drain takes as long as the longest request.
  server.requestTimeout = 0;
  server.timeout = 0;
  return server;
}

function passOn(url: string, outgoing: ServerResponse): void {
  const asked = request(url, { agent: false, headers: { [passedOn]: "1" } }, (response) => {
    response.resume();
    response.once("end", () => answer(outgoing, response.statusCode ?? 502, "as the leader says"));
  });
  asked.once("error", () => answer(outgoing, 502, "the leader can't be reached"));
  outgoing.once("close", () => asked.destroy());
  asked.end();
}

function answer(outgoing: ServerResponse, status: number, text: string): void {
  if (outgoing.headersSent || outgoing.destroyed) return;
  outgoing.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}
