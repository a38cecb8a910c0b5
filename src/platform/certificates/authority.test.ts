import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { fits, inspectCertificate } from "../../lib/certificates/inspect.ts";
import { openAuthority } from "./authority.ts";
import { openFileStore } from "./file-store.ts";

const day = 86_400_000;

async function directory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-authority-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return join(dir, "ca");
}

describe("openAuthority()", () => {
  it("makes one once, whose key is its owner's alone, and which signs short-lived certificates of long names", async () => {
    const dir = await directory();
    const clock = manualClock();
    const authority = await openAuthority((await openFileStore(dir)).authority, clock);
    expect((await openAuthority((await openFileStore(dir)).authority, clock)).cert).toBe(authority.cert);
    for (const [path, mode] of [
      [dir, 0o700],
      [join(dir, "ca.key"), 0o600],
    ] as const) {
      expect([path, (await stat(path)).mode & 0o777]).toEqual([path, mode]);
    }
    const long = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.example.com`;
    const made = await authority.issue([long, `*.${long}`]);
    const [leaf, ca] = [new X509Certificate(made.cert), new X509Certificate(authority.cert)];
    expect(leaf.checkIssued(ca) && leaf.verify(ca.publicKey) && fits(made.cert, made.key)).toBe(true);
    const { names, notAfter } = inspectCertificate(made.cert);
    expect(names).toEqual([long, `*.${long}`]);
    expect(notAfter - clock.now()).toBeLessThanOrEqual(14 * day);
    expect(ca.subject).toContain("Elafros local CA");
  });

  it.each([
    ["ends within a year", (dir: string) => Promise.resolve(dir), 9.5 * 365 * day],
    ["has the key of another", async (dir: string) => writeFile(join(dir, "ca.key"), await otherKey()), 0],
  ])("makes another where the one that is there %s", async (_, change, later) => {
    const dir = await directory();
    const clock = manualClock();
    const before = await openAuthority((await openFileStore(dir)).authority, clock);
    await change(dir);
    await clock.advance(later);
    const after = await openAuthority((await openFileStore(dir)).authority, clock);
    expect(after.cert).not.toBe(before.cert);
    expect(fits(after.cert, await readFile(join(dir, "ca.key"), "utf8"))).toBe(true);
  });
});

async function otherKey(): Promise<string> {
  const dir = await directory();
  await openAuthority((await openFileStore(dir)).authority, manualClock());
  return readFile(join(dir, "ca.key"), "utf8");
}
