/** An upgraded connection: two sides joined, until both have ended. It counts as a request of the instance for as long. */
import type { Instance } from "../state.ts";
import type { FrontContext } from "./context.ts";
import type { AppEnd, ClientEnd } from "./upgrade.ts";

export interface Joining {
  client: ClientEnd;
  app: AppEnd;
  instance: Instance;
}

export interface Joined {
  readonly began: number;
  /** Ends the connection on both sides. */
  end(): void;
}

/** Lets bytes flow both ways; the client was answered. */
export function join(context: FrontContext, { client, app: appEnd, instance }: Joining): void {
  const { core, clock, limits } = context;
  const { stream } = client;
  const { stream: app, head } = appEnd;
  if (head.length > 0) stream.write(head);
  for (const piece of client.early) app.write(piece);
  for (const side of [stream, app]) side.on("error", () => {});
  const joined: Joined = {
    began: clock.now(),
    end: () => {
      stream.end();
      app.end();
    },
  };
  context.joined.add(joined);
  let cancel: (() => void) | undefined;
  let held = true;
  // `pipe` passes an end on: a client that has finished still gets what the app has to say. An app that has finished is done with both.
  stream.pipe(app);
  app.pipe(stream);
  stream.once("close", () => {
    context.joined.delete(joined);
    if (app.destroyed) return;
    app.end();
    app.resume();
    cancel = clock.after(limits.hungMs, () => {
      held = false;
      if (instance.revision.entry.concurrency > 0) core.lose(instance);
      else core.release(instance);
      appEnd.cut();
    });
  });
  app.once("close", () => {
    cancel?.();
    if (held) core.release(instance);
    if (stream.destroyed) return;
    if (appEnd.broke()) client.breakOff();
    else stream.end();
    cancel = clock.after(limits.hungMs, () => client.cut());
    stream.once("close", cancel);
  });
  stream.resume();
}
