import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { silentLog } from "../lib/log.ts";
import { LinkClient } from "./link-client.ts";

test("the link is tried again ever later where something takes the connection and control isn't behind it", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-link-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const path = join(dir, "link.sock");
  let taken = 0;
  const server = createServer((socket) => {
    taken += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  const clock = manualClock();
  let closed = 0;
  const link = new LinkClient({
    path,
    clock,
    log: silentLog,
    hello: () => ({ type: "hello", gateway: "g", pid: 1, serving: 0, draining: [] }),
    connected: () => {},
    away: () => (closed += 1),
    received: () => {},
  });
  onTestFinished(() => link.stop());
  link.start();
  for (const [tries, delayMs] of [20, 40, 80, 160, 320, 640, 1_000, 1_000].entries()) {
    await expect.poll(() => [taken, closed]).toEqual([tries + 1, tries + 1]);
    await clock.advance(delayMs - 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(tries + 1);
    await clock.advance(1);
  }
});

test("end() says that the gateway has ended, and comes back to nobody", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-link-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const path = join(dir, "link.sock");
  let read = "";
  let taken = 0;
  const server = createServer((socket) => {
    taken += 1;
    socket.on("data", (part: Buffer) => (read += part.toString()));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  const clock = manualClock();
  const connected = Promise.withResolvers<void>();
  const link = new LinkClient({
    path,
    clock,
    log: silentLog,
    hello: () => ({ type: "hello", gateway: "g", pid: 1, serving: 0, draining: [] }),
    connected: () => connected.resolve(),
    away: () => {},
    received: () => {},
  });
  link.start();
  await connected.promise;
  await link.end();
  await expect.poll(() => read).toContain('{"type":"ended"}\n');
  await clock.advance(60_000);
  expect(taken).toBe(1);
  await link.end();
});
