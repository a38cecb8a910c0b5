import { describe, expect, it } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { CertificateUpdate } from "../../routing/certificates.ts";
import { createFeed } from "./feed.ts";

function bench() {
  const scheduled: (() => void)[] = [];
  const feed = createFeed({ startVersion: 100, ticketKeys: "keys", schedule: (callback) => scheduled.push(callback) });
  const flush = () => {
    for (const callback of scheduled.splice(0)) callback();
  };
  const join = (id: string): CertificateUpdate[] => {
    const got: CertificateUpdate[] = [];
    feed.join(id, (update) => got.push(update));
    return got;
  };
  return { feed, flush, join };
}

const certificate = (id: string, cert = "C") => ({ id, names: [id], cert, key: "K" });

describe("createFeed()", () => {
  it("tells nothing before the start, then everything, then what changes, a tick's changes at once", () => {
    const { feed, flush, join } = bench();
    feed.put(certificate("a"));
    const got = join("g");
    flush();
    expect(got).toEqual([]);
    feed.start();
    expect(got).toMatchObject([{ whole: true, put: [{ id: "a" }], remove: [], ticketKeys: "keys" }]);
    feed.put(certificate("b"));
    feed.put(certificate("c"));
    feed.remove("a");
    feed.remove("c");
    flush();
    expect(got).toHaveLength(2);
    expect(got[1]).toMatchObject({ whole: false, put: [{ id: "b" }], remove: ["a", "c"] });
    feed.put(certificate("b"));
    flush();
    expect(got).toHaveLength(2);
    expect(join("h")).toMatchObject([{ whole: true, put: [{ id: "b" }] }]);
  });

  it("knows what every gateway has confirmed, as it is now", () => {
    const { feed, flush, join } = bench();
    feed.start();
    feed.put(certificate("a"));
    flush();
    expect(feed.has("a")).toBe(false);
    const [first, second] = [join("g"), join("h")];
    feed.certified("g", first[0]?.version ?? 0);
    expect(feed.has("a")).toBe(false);
    feed.certified("h", second[0]?.version ?? 0);
    expect(feed.has("a")).toBe(true);
    feed.put(certificate("a", "newer"));
    expect(feed.has("a")).toBe(false);
    flush();
    feed.certified("g", first.at(-1)?.version ?? 0);
    feed.leave("h");
    expect(feed.has("a")).toBe(true);
    feed.leave("g");
    expect(feed.has("a")).toBe(false);
  });

  it("replaces challenges and keys of tickets, under a version that can be waited for", () => {
    const { feed, flush, join } = bench();
    feed.start();
    const got = join("g");
    const version = feed.setChallenges([{ type: "http-01", host: "a", token: "t", answer: "t.x" }]);
    feed.setTicketKeys("others");
    flush();
    expect(got.at(-1)).toMatchObject({ version, ticketKeys: "others", challenges: [{ host: "a" }] });
    expect(feed.confirmed(version)).toBe(false);
    feed.certified("g", version);
    expect(feed.confirmed(version)).toBe(true);
  });

  it("confirms nothing until the gateways that run have had the time to come back", async () => {
    const clock = manualClock();
    const feed = createFeed({ startVersion: 100, ticketKeys: "keys", gather: { ms: 10_000, clock } });
    let told = 0;
    feed.subscribe(() => (told += 1));
    feed.join("g", ({ version }) => feed.certified("g", version));
    feed.start();
    feed.put(certificate("a"));
    const version = feed.setChallenges([{ type: "http-01", host: "a.org", token: "t", answer: "t.k" }]);
    await expect.poll(() => feed.has("a")).toBe(true);
    await clock.advance(9_999);
    expect(feed.confirmed(version)).toBe(false);
    // Another comes in time, and counts.
    const late: number[] = [];
    feed.join("h", (update) => void late.push(update.version));
    const before = told;
    await clock.advance(1);
    expect([feed.confirmed(version), told > before]).toEqual([false, true]);
    feed.certified("h", late.at(-1) ?? 0);
    expect(feed.confirmed(version)).toBe(true);
  });
});
