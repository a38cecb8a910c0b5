/** A watch as it comes over the wire. */
import { get as httpsGet } from "node:https";
import type { PlayedServer } from "./player.ts";

export type StreamEvent = Record<string, unknown>;

export interface Stream {
  status: number;
  events: StreamEvent[];
  ended: boolean;
  close(): void;
}

/** Opens a watch; resolves with its headers. */
export function openWatch(
  { port, ca, admin }: Omit<PlayedServer, "ask">,
  path: string,
  accept: string,
): Promise<Stream> {
  const options = { host: "127.0.0.1", port, path, ca, cert: admin.cert, key: admin.key, agent: false };
  return new Promise((resolve, reject) => {
    const request = httpsGet({ ...options, headers: { accept } }, (response) => {
      const stream: Stream = {
        status: response.statusCode ?? 0,
        events: [],
        ended: false,
        close: () => request.destroy(),
      };
      let rest = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        stream.events.push(...lines.map((line) => parse(line)));
      });
      response.on("end", () => (stream.ended = true));
      response.on("error", () => {});
      resolve(stream);
    });
    request.on("error", reject);
  });
}

/** A line that isn't JSON is shown as it is. */
function parse(line: string): StreamEvent {
  try {
    return JSON.parse(line) as StreamEvent;
  } catch {
    return { line };
  }
}

/** What there was at the start comes in any order: by name, before what came later. */
export function ordered(events: readonly StreamEvent[]): StreamEvent[] {
  const nameOf = (event: StreamEvent): string => JSON.stringify(event).match(/"name":"([^"]*)","namespace"/)?.[1] ?? "";
  const live = events.findIndex(({ type }) => type !== "ADDED");
  const start = live < 0 ? events.length : live;
  const first = events
    .slice(0, start)
    .map(({ type, object }) => ({ type, object: { ...(object as object), columnDefinitions: undefined } }));
  return [...first.sort((a, b) => nameOf(a).localeCompare(nameOf(b))), ...events.slice(start)];
}
