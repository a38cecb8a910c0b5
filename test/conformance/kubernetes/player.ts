/** Plays whole files of recorded requests against one server, and holds its answers to what is listed as different. */
import { expect, vi } from "vitest";
import type { KeyPair } from "../../../src/apiserver/pki.ts";
import type { ApiBench } from "../../support/api-server.ts";
import { type Exchange, readExchanges, type RecordedRequest, Replay, type Sender } from "./replay.ts";
import { type Allowed, unexpected } from "./unexpected.ts";
import { openWatch, ordered } from "./watch-stream.ts";

/** The server that is played against. */
export interface PlayedServer {
  ask: ApiBench["ask"];
  port: number;
  ca: string;
  admin: KeyPair;
}

export interface Expected {
  /** By file and exchange, why an answer differs. */
  allowed: Readonly<Record<string, Allowed>>;
  /** The recorded body as it is expected. Default: as it is. */
  body?: (recorded: unknown) => unknown;
}

/** A busy machine takes its time. */
const slow = 60_000;
/** A recorded watch that took long is played for so long. */
const shortSeconds = 4;
/** And one as long as this isn't played. */
const tooLongSeconds = 60;

export class Player {
  readonly replay: Replay;
  readonly #server: PlayedServer;
  readonly #expected: Expected;
  #token: string | undefined;

  constructor(server: PlayedServer, expected: Expected) {
    this.#server = server;
    this.#expected = expected;
    this.replay = new Replay(server);
  }

  /** Plays a file. Gives what of it isn't as expected, by exchange: nothing where all is. */
  async file(file: string): Promise<Record<string, readonly string[]>> {
    const differing: Record<string, string[]> = {};
    for (const exchange of readExchanges(file)) {
      if (exchange.setup !== undefined) {
        await this.#setUp(exchange.setup);
        continue;
      }
      const { note = "", request } = exchange;
      if (Number(/timeoutSeconds=(\d+)/.exec(request?.path ?? "")?.[1] ?? 0) >= tooLongSeconds) continue;
      let found = await this.#play(exchange);
      if (exchange.eventually === true) {
        await vi.waitFor(async () => expect((found = await this.#play(exchange))).toEqual([]), slow).catch(() => {});
      }
      if (note === "ServiceAccount") await this.#fetchToken();
      (differing[note] ??= []).push(...found);
    }
    return unexpected(differing, this.#expected.allowed[file]);
  }

  async #setUp({ was, ...request }: NonNullable<Exchange["setup"]>): Promise<void> {
    const answer = await this.replay.send(request);
    expect(answer.status, answer.text).toBeLessThan(300);
    const made = (answer.json?.["metadata"] ?? {}) as { uid?: string; resourceVersion?: string };
    this.replay.learn(was?.uid, made.uid);
    this.replay.learn(was?.resourceVersion, made.resourceVersion);
  }

  async #play(exchange: Exchange): Promise<string[]> {
    const { request, response, events, who } = exchange;
    if (request === undefined || response === undefined) throw new Error("The exchange has no request or no response");
    if (events !== undefined) return this.#watch(exchange, request);
    const path = request.path.replace(/timeoutSeconds=\d+/, "timeoutSeconds=1");
    const answer = await this.replay.send({ ...request, path }, senderOf(who, this.#token));
    const found = answer.status === response.status ? [] : [`status: ${response.status}, got ${answer.status}`];
    for (const [name, value] of Object.entries(response.headers)) {
      const actual = answer.headers[name];
      if (String(actual).replaceAll(", ", ",") !== String(value))
        found.push(`${name}: ${String(value)}, got ${String(actual)}`);
    }
    const recorded = response.body ?? "";
    const body = this.#expected.body?.(recorded) ?? recorded;
    return [...found, ...this.replay.differences(body, answer.json ?? answer.text, "body")];
  }

  /** One recorded watch, its writes included, until as many events came as were recorded, or until its end. */
  async #watch({ events = [], writes = [], ended = false, note = "" }: Exchange, request: RecordedRequest) {
    await this.#learnNow(request.path);
    const ends = ended || events.length === 0 || events.at(-1)?.["type"] === "ERROR";
    const seconds = ended ? shortSeconds : ends ? 1 : 60;
    const path = this.replay.translatePath(request.path).replace(/timeoutSeconds=\d+/, `timeoutSeconds=${seconds}`);
    const stream = await openWatch(this.#server, path, request.headers?.["accept"] ?? "application/json");
    for (const { resourceVersion, ...write } of writes) {
      const answer = await this.replay.send(write);
      const metadata = (answer.json?.["metadata"] ?? {}) as { resourceVersion?: string };
      this.replay.learn(resourceVersion, metadata.resourceVersion);
    }
    const isDone = () => stream.ended || (!ends && stream.events.length >= events.length);
    await vi.waitFor(() => expect(isDone(), note).toBe(true), slow);
    stream.close();
    return this.replay.differences(ordered(events), ordered(stream.events), "events");
  }

  /** A recorded watch begins at the version of its time: here at that of now. */
  async #learnNow(path: string): Promise<void> {
    const version = /resourceVersion=(\d{4})(?!\d)/.exec(path)?.[1];
    if (version === undefined || this.replay.knows(version)) return;
    const { json } = await this.#server.ask("GET", "/apis/elafros.dev/v1alpha1/namespaces/watches/routes?limit=1");
    this.replay.learn(version, (json as { metadata: { resourceVersion: string } }).metadata.resourceVersion);
  }

  async #fetchToken(): Promise<void> {
    const path = "/api/v1/namespaces/auth/serviceaccounts/bot/token";
    const { json } = await this.#server.ask("POST", path, { body: {} });
    this.#token = (json as { status: { token: string } }).status.token;
  }
}

function senderOf(who: Exchange["who"], token = ""): Sender {
  switch (who) {
    case "anonymous":
      return { as: null };
    case "bad":
      return { token: "not.a.token" };
    case "basic":
      return { as: null, headers: { authorization: "Basic eDp5" } };
    case "bot":
      return { token };
    case "admin":
    case undefined:
      break;
  }
  return {};
}
