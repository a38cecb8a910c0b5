import { createServer, type Server } from "node:http";

/** Answers paths with a text, and 404 where there is none. */
export function textServer(textOf: (path: string) => string | undefined): Server {
  return createServer((incoming, outgoing) => {
    const text = textOf(new URL(incoming.url ?? "/", "http://localhost").pathname);
    outgoing.writeHead(text === undefined ? 404 : 200, { "content-type": "text/plain; charset=utf-8" });
    outgoing.end(text ?? "not found\n");
  });
}
