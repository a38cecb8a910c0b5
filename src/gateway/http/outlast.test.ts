import http, {
  type ClientRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { defaultLimits } from "../options.ts";
import { outlast } from "./outlast.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Asked {
  upstream: ClientRequest;
  /** The app's side. */
  res: ServerResponse;
  answer: Promise<IncomingMessage>;
}

/** A request that has reached a real app. */
async function ask(listener: RequestListener = () => {}): Promise<Asked> {
  const { promise, resolve } = Promise.withResolvers<ServerResponse>();
  const server = http.createServer((req, res) => {
    listener(req, res);
    resolve(res);
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const upstream = http.get({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, agent: false });
  upstream.on("error", () => {});
  const answer = new Promise<IncomingMessage>((done) => upstream.once("response", done));
  return { upstream, res: await promise, answer };
}

const told = (res: ServerResponse): (() => boolean) => {
  let seen = false;
  res.on("close", () => (seen = true));
  return () => seen;
};

test("outlast() gives work that nobody waits for hungMs, without a word to the app, and then calls it lost", async () => {
  const clock = manualClock();
  const { upstream, res } = await ask();
  const isTold = told(res);
  let lost = 0;
  outlast({ clock, limits: defaultLimits }, { upstream, answer: undefined, whole: true, lost: () => (lost += 1) });
  await clock.advance(defaultLimits.hungMs - 1);
  expect([lost, isTold(), upstream.destroyed]).toEqual([0, false, false]);
  await clock.advance(1);
  expect([lost, upstream.destroyed]).toEqual([1, true]);
  await expect.poll(isTold).toBe(true);
});

test("outlast() tells the app at once when it lacks a part of the request", async () => {
  const clock = manualClock();
  const { upstream, res } = await ask();
  const isTold = told(res);
  outlast({ clock, limits: defaultLimits }, { upstream, answer: undefined, whole: false, lost: () => {} });
  await expect.poll(isTold).toBe(true);
});

test("outlast() reads an answer that has begun to its end, and tells the app after a second", async () => {
  const clock = manualClock();
  const { upstream, res, answer } = await ask((_req, res) => void res.write("begun"));
  const isTold = told(res);
  let lost = 0;
  const begun = await answer;
  begun.on("error", () => {});
  outlast({ clock, limits: defaultLimits }, { upstream, answer: begun, whole: true, lost: () => (lost += 1) });
  expect(begun.readableFlowing).toBe(true);
  await clock.advance(999);
  expect(isTold()).toBe(false);
  await clock.advance(1);
  await expect.poll(isTold).toBe(true);
  expect(lost).toBe(0);
});

test("outlast() forgets work that has ended", async () => {
  const clock = manualClock();
  const { upstream } = await ask();
  const stop = outlast(
    { clock, limits: defaultLimits },
    { upstream, answer: undefined, whole: true, lost: () => expect.unreachable() },
  );
  stop();
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
  upstream.destroy();
});
