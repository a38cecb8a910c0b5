import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { memoryCluster } from "../../../test/support/memory-cluster.ts";
import { ApiError } from "../../api/meta/errors.ts";
import type { Client } from "../../client/client.ts";
import { silentLog } from "../../lib/log.ts";
import { linkServerName, openLinkCertificate } from "./link-certificate.ts";
import { createLinkFront } from "./link-front.ts";
import { openLinkTunnel } from "./link-tunnel.ts";
import { listen } from "./listen.ts";

test("openLinkTunnel() brings a gateway's lines to the controller's link, and shows the token that is there at the time", async () => {
  const directory = await mkdtemp(join(tmpdir(), "elafros-tunnel-"));
  const place = (name: string) => join(directory, name);
  const clock = manualClock();
  const ended: string[] = [];
  const link = createServer((socket) => {
    let read = "";
    socket.on("data", (part: Buffer) => {
      read += part.toString();
      socket.write(part);
    });
    socket.once("close", () => ended.push(read));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => link.listen(place("control.sock"), resolve));
  const { client } = memoryCluster();
  const get = () => Promise.reject(new ApiError("NotFound", "none"));
  const pair = await openLinkCertificate({ ...client, get }, "n", manualClock(Date.now()));
  const shown: string[] = [];
  const create = (async (_: unknown, { spec }: { spec: { token: string } }) => {
    shown.push(spec.token);
    const user = { username: "gateway" };
    return { status: spec.token === "new" ? { authenticated: true, audiences: ["a"], user } : {} };
  }) as unknown as Client["create"];
  const front = createLinkFront({
    pair,
    client: { create },
    audience: "a",
    user: "gateway",
    socket: place("control.sock"),
    log: silentLog,
  });
  const listening = await listen(front, 0);
  await writeFile(place("token"), "old\n");
  await writeFile(place("ca.crt"), pair.cert);
  const tunnel = await openLinkTunnel({
    path: place("gateway.sock"),
    controllers: { host: "localhost", port: listening.port },
    tokenFile: place("token"),
    caFile: place("ca.crt"),
    serverName: linkServerName,
    clock,
    log: silentLog,
  });
  onTestFinished(async () => {
    tunnel.close();
    link.close();
    await listening.close();
    await rm(directory, { recursive: true });
  });
  const say = (text: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(place("gateway.sock"));
      socket.once("data", (part) => {
        resolve(part.toString());
        socket.destroy();
      });
      socket.once("error", () => {});
      socket.once("close", () => resolve("closed"));
      socket.write(text);
    });
  expect(await say("hello\n")).toBe("closed");
  await writeFile(place("token"), "new\n");
  expect(await say("hello\n")).toBe("hello\n");
  expect(shown).toEqual(["old", "new"]);
  // What a gateway says last arrives.
  const ending = connect(place("gateway.sock"));
  ending.write("first\n");
  await new Promise((resolve) => ending.once("data", resolve));
  ending.end("last\n");
  await expect.poll(() => ended).toContain("first\nlast\n");
  // A controller that says nothing any more, as where its node has gone, isn't waited for.
  const silent = connect(place("gateway.sock"));
  const heard: string[] = [];
  silent.on("data", (part: Buffer) => heard.push(part.toString()));
  const gone = new Promise<void>((resolve) => silent.once("close", () => resolve()));
  silent.write("a\n");
  await expect.poll(() => heard.join("")).toBe("a\n");
  await clock.advance(9_000);
  silent.write("b\n");
  await expect.poll(() => heard.join("")).toBe("a\nb\n");
  await clock.advance(9_000);
  expect(silent.closed).toBe(false);
  await clock.advance(1_000);
  await gone;
  // A certificate by another isn't trusted, and gets no token.
  const other = await openLinkCertificate({ ...client, get }, "n", manualClock(Date.now()));
  await writeFile(place("ca.crt"), other.cert);
  expect(await say("hello\n")).toBe("closed");
  expect(shown).toHaveLength(4);
});
