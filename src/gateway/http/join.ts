/** An upgraded connection: two sockets joined, until both have ended. It counts as a request of the instance for as long. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Instance } from "../state.ts";
import type { FrontContext } from "./context.ts";

export interface Joining {
  client: Socket;
  /** What the client has sent already. */
  early: Buffer[];
  app: Socket;
  /** What the app has sent already, after its 101. */
  head: Buffer;
  /** Of the 101 answer, flat. */
  fields: string[];
  instance: Instance;
}

export interface Joined {
  readonly began: number;
  /** Ends the connection on both sides. */
  end(): void;
}

/** Answers 101 and lets bytes flow both ways. */
export function joinSockets(context: FrontContext, { client, early, app, head, fields, instance }: Joining): void {
  const { core, clock, limits } = context;
  let head101 = `HTTP/1.1 101 ${STATUS_CODES[101] ?? ""}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head101 += `${fields[i] ?? ""}: ${fields[i + 1] ?? ""}\r\n`;
  client.removeAllListeners("data");
  client.removeAllListeners("end");
  client.write(`${head101}\r\n`, "latin1");
  if (head.length > 0) client.write(head);
  for (const piece of early) app.write(piece);
  for (const socket of [client, app]) {
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.setKeepAlive(true, 60_000);
    socket.on("error", () => {});
  }
  const joined: Joined = {
    began: clock.now(),
    end: () => {
      client.end();
      app.end();
    },
  };
  context.joined.add(joined);
  let cancel: (() => void) | undefined;
  let held = true;
  // `pipe` passes an end on: each side may go on after the other has finished.
  client.pipe(app);
  app.pipe(client);
  client.once("close", () => {
    context.joined.delete(joined);
    if (app.destroyed) return;
    app.end();
    app.resume();
    cancel = clock.after(limits.hungMs, () => {
      held = false;
      if (instance.revision.entry.concurrency > 0) core.lose(instance);
      else core.release(instance);
      app.destroy();
    });
  });
  app.once("close", () => {
    cancel?.();
    if (held) core.release(instance);
    if (client.destroyed) return;
    client.end();
    cancel = clock.after(limits.hungMs, () => client.destroy());
    client.once("close", cancel);
  });
  client.resume();
}
