/**
 * Opens the controllers' door to the registry, in each of the controllers, whoever leads: the API server's proxy asks any of them. It needs the certificate that the one that leads
 * makes, and follows it when that is made anew.
 */
import type { HttpClient } from "../../client/http.ts";
import type { BuildRegistry } from "../../kubernetes/builds/registry.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { SourcesPort } from "../../runtime/sources.ts";
import { createBuildDoor } from "./build-door.ts";
import { readLinkCertificate } from "./link-certificate.ts";
import { listen } from "./listen.ts";

export interface OpenDoorOptions {
  client: HttpClient;
  clock: Clock;
  log: Log;
  /** Where the controllers run. */
  namespace: string;
  registry: BuildRegistry;
  sources: Omit<SourcesPort, "prune">;
  port: number;
}

const firstWaitMs = 1_000;
const lookAgainMs = 600_000;

/** Resolves once it listens, or when it was closed before. */
export async function openDoor(options: OpenDoorOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, log, namespace, registry, sources } = options;
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve);
      signal.addEventListener("abort", () => (cancel(), resolve()), { once: true });
    });
  const read = () =>
    readLinkCertificate(client, namespace, clock).catch((error: unknown) => {
      log.warn({ error }, "The certificate of the door to the registry can't be read");
      return undefined;
    });
  let pair = await read();
  while (pair === undefined) {
    await pause(firstWaitMs);
    if (signal.aborted) return;
    pair = await read();
  }
  const server = createBuildDoor({ pair, client, registry, sources, clock, log });
  const listening = await listen(server, options.port);
  if (signal.aborted) return listening.close();
  signal.addEventListener("abort", () => void listening.close(), { once: true });
  void (async () => {
    for (;;) {
      await pause(lookAgainMs);
      if (signal.aborted) return;
      const next = await read();
      if (next !== undefined) server.setSecureContext({ cert: next.cert, key: next.key });
    }
  })();
}
