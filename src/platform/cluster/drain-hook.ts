/**
 * Where kubelets ask before they tell an instance to end (`preStop` of its Pod): `GET /drained/NAMESPACE/REVISION` is answered once no
 * gateway sends anything to those Pods of the Revision that are being deleted, and their requests have ended. Whoever asks learns no more than that.
 * Of several controllers the one that leads knows; the others pass the question on to it, and to the next one where it goes: a kubelet asks once.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type Clock, delay } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { WorkloadKey } from "../../runtime/workloads.ts";

export interface DrainHookOptions {
  clock: Clock;
  log: Log;
  /** Answers where this process leads, else undefined. */
  drained: (key: WorkloadKey) => Promise<void> | undefined;
  /** The address of the one that leads, `host:port`; undefined where it isn't known, or is this one. */
  leader: () => string | undefined;
}

export interface DrainHook {
  /** Its owner has it listen. */
  server: Server;
  /** Resolves once nobody waits for an answer, or after `mostMs`. */
  quiet(mostMs: number): Promise<void>;
}

const form = /^\/drained\/([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)\/([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$/u;
/** Marks a question that was passed on, which goes no further. */
const passedOn = "x-elafros-passed-on";
/** How long a leader is looked for: a lease has to end, and the next one to read what there is. */
const leaderlessMs = 30_000;
const lookAgainMs = 500;

interface Answer {
  status: number;
  text: string;
}

/** Creates it. */
export function createDrainHook(options: DrainHookOptions): DrainHook {
  const { clock } = options;
  let open = 0;
  let idle: (() => void) | undefined;
  const server = createServer((incoming, outgoing) => {
    const [, namespace, , name] = form.exec(incoming.url ?? "") ?? [];
    if (incoming.method !== "GET" || namespace === undefined || name === undefined) {
      say(outgoing, { status: 404, text: "not found" });
      return;
    }
    open += 1;
    outgoing.once("close", () => {
      open -= 1;
      if (open === 0) idle?.();
    });
    void answer(options, { namespace, name }, { incoming, outgoing }).then((found) => say(outgoing, found));
  });
  // A drain takes as long as the longest request.
  server.requestTimeout = 0;
  server.timeout = 0;
  return {
    server,
    quiet: (mostMs) =>
      new Promise((resolve) => {
        const cancel = clock.after(mostMs, resolve);
        idle = () => (cancel(), resolve());
        if (open === 0) idle();
      }),
  };
}

async function answer(
  { clock, log, drained, leader }: DrainHookOptions,
  key: WorkloadKey,
  { incoming, outgoing }: { incoming: IncomingMessage; outgoing: ServerResponse },
): Promise<Answer> {
  let until = clock.now() + leaderlessMs;
  for (;;) {
    const waits = drained(key);
    if (waits !== undefined) {
      return waits.then(
        () => ({ status: 200, text: "drained" }),
        (error: unknown) => {
          log.warn({ error, ...key }, "It can't be said when an instance is drained");
          return { status: 500, text: "unknown" };
        },
      );
    }
    // Whoever passed it on looks for another.
    if (incoming.headers[passedOn] !== undefined) return { status: 503, text: "nobody leads" };
    const at = leader();
    const askedAt = clock.now();
    const status = at === undefined ? undefined : await passOn(`http://${at}${incoming.url}`, outgoing);
    if (status !== undefined && status !== 503) return { status, text: "as the leader says" };
    const now = clock.now();
    // It was there for as long.
    if (now - askedAt > lookAgainMs) until = now + leaderlessMs;
    // A clock that was set back is no reason to wait longer.
    if (now >= until || until - now > leaderlessMs || outgoing.destroyed) return { status: 503, text: "nobody leads" };
    await delay(clock, lookAgainMs);
  }
}

/** The status with which the leader answers; undefined where it can't be reached, or goes. */
async function passOn(url: string, outgoing: ServerResponse): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const asked = request(url, { agent: false, headers: { [passedOn]: "1" } }, (response) => {
    response.resume();
    response.once("end", () => resolve(response.statusCode));
  });
  asked.once("error", () => resolve(undefined));
  // Of the answer's end, too, where that is too early.
  asked.once("close", () => resolve(undefined));
  const leave = () => asked.destroy();
  outgoing.once("close", leave);
  asked.end();
  const status = await promise;
  outgoing.off("close", leave);
  return status;
}

function say(outgoing: ServerResponse, { status, text }: Answer): void {
  if (outgoing.headersSent || outgoing.destroyed) return;
  outgoing.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}
