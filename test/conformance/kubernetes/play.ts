/** Plays whole files of recorded requests, and holds the answers to what is listed as different. */
import { expect } from "vitest";
import { type Exchange, readExchanges, type Replay } from "./replay.ts";

export interface Expected {
  /** By file and exchange, why an answer differs. */
  allowed: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The recorded body as it is expected. Default: as it is. */
  body?: (recorded: unknown) => unknown;
}

async function play(replay: Replay, { request, response }: Exchange, { body: as }: Expected): Promise<string[]> {
  if (request === undefined || response === undefined) throw new Error("The exchange has no request or no response");
  const answer = await replay.send(request);
  const found = answer.status === response.status ? [] : [`status: ${response.status}, got ${answer.status}`];
  for (const [name, value] of Object.entries(response.headers)) {
    const actual = answer.headers[name];
    if (String(actual).replaceAll(", ", ",") !== String(value))
      found.push(`${name}: ${String(value)}, got ${String(actual)}`);
  }
  const body = answer.json ?? answer.text;
  const recorded = response.body ?? "";
  return [...found, ...replay.differences(as === undefined ? recorded : as(recorded), body, "body")];
}

/** Plays a file. Gives the exchanges whose answers differ without being listed, or are listed and don't differ, with the differences. */
export async function playFile(replay: Replay, file: string, expected: Expected): Promise<Record<string, string[]>> {
  const unexpected: Record<string, string[]> = {};
  for (const exchange of readExchanges(file)) {
    if (exchange.setup !== undefined) {
      const answer = await replay.send(exchange.setup);
      expect(answer.status, answer.text).toBeLessThan(300);
      const made = (answer.json?.["metadata"] ?? {}) as { uid?: string; resourceVersion?: string };
      replay.learn(exchange.setup.was?.uid, made.uid);
      replay.learn(exchange.setup.was?.resourceVersion, made.resourceVersion);
      continue;
    }
    const { note = "" } = exchange;
    let found = await play(replay, exchange, expected);
    if (exchange.eventually === true) {
      await expect
        .poll(async () => (found = await play(replay, exchange, expected)).length, { timeout: 10_000 })
        .toBe(0);
    }
    const known = expected.allowed[file]?.[note];
    if (known === undefined ? found.length > 0 : found.length === 0) {
      unexpected[`${file}: ${note}`] = known === undefined ? found : ["is listed as different, but is the same"];
    }
  }
  return unexpected;
}
