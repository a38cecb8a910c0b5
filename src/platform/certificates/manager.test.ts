import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type ManualClock, manualClock } from "../../../test/support/manual-clock.ts";
import { makeCertificate } from "../../apiserver/pki-certificates.ts";
import type { KeyPair } from "../../apiserver/pki.ts";
import { silentLog } from "../../lib/log.ts";
import type { CertificateUpdate } from "../../routing/certificates.ts";
import { createFeed } from "./feed.ts";
import { openFileStore } from "./file-store.ts";
import { IssueError, type Issuer } from "./issuer.ts";
import { openLeaves } from "./leaves.ts";
import { createCertificateManager } from "./manager.ts";

const day = 86_400_000;
let authority: KeyPair;
let otherKey: string;

beforeAll(async () => {
  const now = Date.UTC(2026, 0, 1);
  authority = await makeCertificate({ make: "authority", name: "test", days: 3650, now });
  otherKey = (await makeCertificate({ make: "authority", name: "other", days: 1, now })).key;
});

function pair(names: readonly string[], days: number, now: number): Promise<KeyPair> {
  return makeCertificate({ make: "certificate", authority, subject: [{ O: ["t"] }], names, days, now });
}

async function bench(clock: ManualClock = manualClock(), dir?: string, more: Partial<Issuer> = {}) {
  const place = dir ?? (await mkdtemp(join(tmpdir(), "elafros-leaves-")));
  if (dir === undefined) onTestFinished(() => rm(place, { recursive: true }));
  const issued: (readonly string[])[] = [];
  const fails: IssueError[] = [];
  const issuer: Issuer = {
    name: "test",
    atOnce: 1,
    atOncePerNamespace: 1,
    ...more,
    retry: { baseMs: 1_000, maxMs: 60_000 },
    namesFor: ({ names, above }) => (above === undefined ? names : [above, `*.${above}`]),
    issue: async (names) => {
      issued.push(names);
      const failure = fails.shift();
      if (failure !== undefined) throw failure;
      return pair(names, 12, clock.now());
    },
  };
  const feed = createFeed({ startVersion: 0, ticketKeys: "k" });
  const served = new Map<string, { names: string[]; cert: string }>();
  feed.join("gateway", (update: CertificateUpdate) => {
    if (update.whole) served.clear();
    for (const id of update.remove) served.delete(id);
    for (const one of update.put) served.set(one.id, one);
    setImmediate(() => feed.certified("gateway", update.version));
  });
  const leaves = await openLeaves((await openFileStore(place)).leaves, { clock, log: silentLog });
  const manager = createCertificateManager({
    feed,
    leaves,
    issuerFor: () => issuer,
    clock,
    log: silentLog,
    random: () => 0,
  });
  onTestFinished(() => manager.stop());
  feed.start();
  const states = () => manager.state("ns/web").map(({ id, status, reason }) => [id, status, reason].filter(Boolean));
  const until = (id: string, status: string) =>
    expect.poll(() => manager.state("ns/web").find((one) => one.id === id)?.status).toBe(status);
  return { manager, issued, fails, served, states, until, clock, place };
}

const hosts = { id: "hosts", names: ["web.ns.x"], above: "web.ns.x" };

describe("createCertificateManager()", () => {
  it("gets a certificate, which is ready when the gateways have it, and serves names below without another", async () => {
    const { manager, issued, served, states, until } = await bench();
    manager.want("ns/web", [hosts]);
    expect(states()).toEqual([["hosts", "working"]]);
    await until("hosts", "ready");
    expect(served.get("ns/web hosts")?.names).toEqual(["web.ns.x", "*.web.ns.x"]);
    manager.want("ns/web", [{ ...hosts, names: ["web.ns.x", "next.web.ns.x"] }]);
    await until("hosts", "ready");
    expect(issued).toEqual([["web.ns.x", "*.web.ns.x"]]);
    manager.want("ns/web", []);
    expect(states()).toEqual([]);
    await expect.poll(() => served.size).toBe(0);
  });

  it("keeps what was made over a restart, but for what nobody wants for an hour", async () => {
    const first = await bench();
    first.manager.want("ns/web", [hosts]);
    first.manager.want("ns/gone", [{ id: "hosts", names: ["gone.ns.x"] }]);
    await first.until("hosts", "ready");
    await expect.poll(() => first.manager.state("ns/gone")[0]?.status).toBe("ready");
    first.manager.stop();
    const again = await bench(first.clock, first.place);
    again.manager.want("ns/web", [hosts]);
    again.manager.settled();
    await again.until("hosts", "ready");
    const { leaves } = await openFileStore(first.place);
    expect(await leaves.all()).toHaveLength(2);
    await again.clock.advance(3_600_000);
    expect(again.issued).toEqual([]);
    await expect.poll(async () => (await leaves.all()).map(({ id }) => id)).toEqual(["ns/web hosts"]);
  });

  it("uses what was made for a Route that comes back within the hour, as from a backup, and keeps it", async () => {
    const first = await bench();
    first.manager.want("ns/web", [hosts]);
    await first.until("hosts", "ready");
    first.manager.stop();
    const again = await bench(first.clock, first.place);
    again.manager.settled();
    await again.clock.advance(1_800_000);
    again.manager.want("ns/web", [hosts]);
    await again.until("hosts", "ready");
    await again.clock.advance(3_600_000);
    expect(again.issued).toEqual([]);
    expect((await (await openFileStore(first.place)).leaves.all()).map(({ id }) => id)).toEqual(["ns/web hosts"]);
  });

  it("renews at two thirds of the lifetime, and serves the old one until then", async () => {
    const { manager, issued, served, until, clock } = await bench();
    manager.want("ns/web", [hosts]);
    await until("hosts", "ready");
    const before = served.get("ns/web hosts")?.cert ?? "";
    // Twelve days, from an hour before.
    await clock.advance(8 * day - 7_200_000);
    expect(issued).toHaveLength(1);
    await clock.advance(12 * 3_600_000);
    await expect.poll(() => served.get("ns/web hosts")?.cert !== before).toBe(true);
    expect(issued).toHaveLength(2);
    const [old, renewed] = [before, served.get("ns/web hosts")?.cert ?? ""].map((cert) => new X509Certificate(cert));
    expect((renewed?.validToDate.getTime() ?? 0) - (old?.validToDate.getTime() ?? 0)).toBeGreaterThan(7 * day);
  });

  it("tells why there is none and tries again, no sooner than it may; a failed renewal is told once the old one has ended", async () => {
    const { manager, issued, fails, states, until, clock } = await bench();
    fails.push(new IssueError("RateLimited", "later", 5_000));
    manager.want("ns/web", [hosts]);
    await until("hosts", "failed");
    expect(states()).toEqual([["hosts", "failed", "RateLimited"]]);
    await clock.advance(4_900);
    expect(issued).toHaveLength(1);
    await clock.advance(200);
    await until("hosts", "ready");
    fails.push(...Array.from({ length: 6_000 }, () => new IssueError("Down", "no")));
    await clock.advance(9 * day);
    await expect.poll(() => issued.length).toBeGreaterThan(3);
    expect(states()).toEqual([["hosts", "ready"]]);
    expect(manager.state("ns/web")[0]?.renewal).toBe("no");
    await clock.advance(3 * day);
    expect(states()).toEqual([["hosts", "failed", "Down"]]);
  });

  it("serves what the owner gave for the names that are the Route's, and says when it can't", async () => {
    const { manager, issued, served, states, until, clock } = await bench();
    const given = await pair(["a.org", "b.org"], 1, clock.now());
    const want = (names: string[], own: KeyPair) => manager.want("ns/web", [{ id: "secret s", names, given: own }]);
    want(["a.org"], given);
    await until("secret s", "ready");
    expect(served.get("ns/web secret s")?.names).toEqual(["a.org"]);
    for (const [names, own, reason] of [
      [["c.org"], given, "CertificateMismatch"],
      [["a.org"], { ...given, key: otherKey }, "CertificateInvalid"],
      [["a.org"], { cert: "nonsense", key: "nonsense" }, "CertificateInvalid"],
    ] as const) {
      want([...names], own);
      expect(states()).toEqual([["secret s", "failed", reason]]);
      // What worked goes on.
      expect(served.get("ns/web secret s")?.names).toEqual(["a.org"]);
    }
    want(["a.org"], given);
    await until("secret s", "ready");
    await clock.advance(day + 1_000);
    expect(states()).toEqual([["secret s", "failed", "CertificateExpired"]]);
    expect(issued).toEqual([]);
  });

  it("gives a namespace its turn whatever another wants, and no more than its share", async () => {
    const { manager, issued, clock } = await bench(manualClock(), undefined, {
      budget: { times: 3, perMs: 3_600_000 },
    });
    const names = Array.from({ length: 5 }, (_, i) => `${i}.many.org`);
    manager.want(
      "many/web",
      names.map((name) => ({ id: name, names: [name] })),
    );
    manager.want("few/web", [{ id: "hosts", names: ["few.org"] }]);
    await expect.poll(() => manager.state("few/web")[0]?.status).toBe("ready");
    await expect
      .poll(() =>
        manager
          .state("many/web")
          .map(({ status }) => status)
          .sort(),
      )
      .toEqual(["failed", "failed", "ready", "ready", "ready"]);
    expect(issued.map(([name]) => name)).toEqual(["0.many.org", "1.many.org", "few.org", "2.many.org"]);
    expect(manager.state("many/web")[4]).toMatchObject({
      reason: "AcmeRateLimited",
      message: expect.stringMatching(/^For namespace "many" 3 certificates .* its share: it goes on at 20/) as string,
    });
    await clock.advance(3_600_001);
    await expect.poll(() => issued.length).toBe(6);
    await expect.poll(() => manager.state("many/web").every(({ status }) => status === "ready")).toBe(true);
  });
});
