import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { memoryCluster } from "../../../test/support/memory-cluster.ts";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { ConfigMap } from "../../api/config-map.ts";
import { ApiError } from "../../api/meta/errors.ts";
import type { Kind } from "../../api/meta/kind.ts";
import type { Secret } from "../../api/secret.ts";
import type { Client } from "../../client/client.ts";
import { silentLog } from "../../lib/log.ts";
import { keepLinkCertificate, linkServerName, openLinkCertificate } from "./link-certificate.ts";
import { createLinkFront } from "./link-front.ts";
import { listen } from "./listen.ts";

const gateway = "system:serviceaccount:elafros-system:elafros-gateway";
const statuses: Record<string, object> = {
  good: { authenticated: true, audiences: ["controller.elafros.dev"], user: { username: gateway } },
  "not for this": { authenticated: true, audiences: ["https://kubernetes.default.svc"], user: { username: gateway } },
  "without audience": { authenticated: true, user: { username: gateway } },
  "of another": {
    authenticated: true,
    audiences: ["controller.elafros.dev"],
    user: { username: "system:serviceaccount:default:default" },
  },
  bad: { error: "expired" },
};

/** The front before a link that answers each line with itself. */
async function setUp() {
  const directory = await mkdtemp(join(tmpdir(), "elafros-front-"));
  const inner: Socket[] = [];
  const link = createServer((socket) => {
    inner.push(socket);
    socket.pipe(socket);
  });
  const socket = join(directory, "link.sock");
  await new Promise<void>((resolve) => link.listen(socket, resolve));
  const { client } = memoryCluster();
  const get = () => Promise.reject(new ApiError("NotFound", "none"));
  const pair = await openLinkCertificate({ ...client, get }, "elafros-system", manualClock(Date.now()));
  const create = (async (_: unknown, { spec }: { spec: { token: string } }) => {
    const status = statuses[spec.token];
    if (status === undefined) throw new ApiError("ServiceUnavailable", "away");
    return { status };
  }) as unknown as Client["create"];
  const options = {
    pair,
    client: { create },
    audience: "controller.elafros.dev",
    user: gateway,
    socket,
    log: silentLog,
  };
  const front = await listen(createLinkFront(options), 0);
  onTestFinished(async () => {
    for (const one of inner) one.destroy();
    link.close();
    await front.close();
    await rm(directory, { recursive: true });
  });
  /** What comes back until the connection ends, or a whole line has. */
  const say = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const outer = connect({ port: front.port, host: "127.0.0.1", ca: pair.cert, servername: linkServerName });
      let read = "";
      outer.on("data", (part) => {
        read += part.toString();
        if (read.includes("\n")) outer.destroy();
      });
      outer.once("close", () => resolve(read));
      outer.once("error", reject);
      outer.write(text);
    });
  return { say, inner };
}

test("createLinkFront() joins a gateway whose token is good to the link, with what it said after it", async () => {
  const { say } = await setUp();
  expect(await say('good\n{"type":"hello"}\n')).toBe('{"type":"hello"}\n');
});

test.each(["not for this", "without audience", "of another", "bad", "unknown", "x".repeat(20_000)])(
  "createLinkFront() ends the connection of a token that is no good: %.20s",
  async (token) => {
    const { say, inner } = await setUp();
    expect(await say(`${token}\nhello\n`).catch(() => "")).toBe("");
    expect(inner).toEqual([]);
  },
);

/** A cluster of which what is there can be read. */
function readable() {
  const cluster = memoryCluster();
  const get = (async (kind: Kind<Secret>, { name, namespace }: { name: string; namespace?: string }) => {
    const found = cluster.get(kind, name, namespace);
    if (found === undefined) throw new ApiError("NotFound", "none");
    return found;
  }) as unknown as Client["get"];
  return { cluster, client: { ...cluster.client, get } };
}

test("openLinkCertificate() keeps the pair that is there, and makes another before it ends", async () => {
  const { cluster, client } = readable();
  const clock = manualClock(Date.now());
  const first = await openLinkCertificate(client, "n", clock);
  expect(cluster.get(ConfigMap, "elafros-link")?.data).toEqual({ "ca.crt": first.cert });
  expect(JSON.stringify(cluster.get(ConfigMap, "elafros-link"))).not.toContain("PRIVATE KEY");
  expect(await openLinkCertificate(client, "n", clock)).toEqual(first);
  const later = await openLinkCertificate(client, "n", manualClock(Date.now() + 340 * 86_400_000));
  expect(later.cert).not.toBe(first.cert);
});

test("keepLinkCertificate() makes another pair in time, however long the same controller leads", async () => {
  const { cluster, client } = readable();
  const clock = manualClock(Date.now());
  const dayMs = 86_400_000;
  const first = await openLinkCertificate(client, "n", clock);
  const changed: string[] = [];
  const stop = keepLinkCertificate(first, { client, namespace: "n", clock, log: silentLog }, ({ cert }) => {
    changed.push(cert);
  });
  await clock.advance(334 * dayMs);
  expect(changed).toEqual([]);
  await clock.advance(2 * dayMs);
  await expect.poll(() => changed).toHaveLength(1);
  expect(changed).not.toContain(first.cert);
  expect(cluster.get(ConfigMap, "elafros-link")?.data).toEqual({ "ca.crt": changed[0] });
  await clock.advance(10 * dayMs);
  expect(changed).toHaveLength(1);
  stop();
  await clock.advance(400 * dayMs);
  expect(changed).toHaveLength(1);
});
