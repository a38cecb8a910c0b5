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
  const link = createServer((socket) => socket.pipe(socket));
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
  // A certificate by another isn't trusted, and gets no token.
  const other = await openLinkCertificate({ ...client, get }, "n", manualClock(Date.now()));
  await writeFile(place("ca.crt"), other.cert);
  expect(await say("hello\n")).toBe("closed");
  expect(shown).toHaveLength(2);
});
