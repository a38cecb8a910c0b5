import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { X509Certificate } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";

import { manualClock } from "../../test/support/manual-clock.ts";
import { issueKubeconfig, writeKubeconfig } from "./kubeconfig.ts";
import { openPki } from "./pki.ts";

const day = 86_400_000;

async function directory(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), "elafros-pki-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return path.join(dir, "pki");
}

describe("openPki()", () => {
  it("makes a CA and certificates that it signed, readable by the owner only", async () => {
    const dir = await directory();
    const clock = manualClock();
    const pki = await openPki({ dir, names: ["api.example.com", "192.0.2.7", "2001:db8::1"], clock });
    const ca = new X509Certificate(pki.ca);
    const serving = new X509Certificate(pki.serving().cert);
    expect(ca.ca).toBe(true);
    expect(serving.checkIssued(ca) && serving.verify(ca.publicKey)).toBe(true);
    for (const name of ["localhost", "kubernetes.default.svc", "api.example.com"])
      expect(serving.checkHost(name), name).toBe(name);
    for (const address of ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::1"])
      expect(serving.checkIP(address), address).toBeDefined();
    const client = await pki.issueClient({ user: "alice", groups: ["dev", "ops"] });
    const certificate = new X509Certificate(client.cert);
    expect(certificate.verify(ca.publicKey)).toBe(true);
    expect(certificate.subject.split("\n").toSorted()).toEqual(["CN=alice", "O=dev", "O=ops"]);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(dir)) expect((await stat(path.join(dir, name))).mode & 0o777, name).toBe(0o600);
  });

  it("keeps everything over a restart, and renews the serving certificate only when it must", async () => {
    const dir = await directory();
    const clock = manualClock();
    const first = await openPki({ dir, names: ["::1"], clock });
    const again = await openPki({ dir, clock });
    expect(again.ca).toBe(first.ca);
    expect(again.tokenKey).toBe(first.tokenKey);
    expect(again.serving()).toEqual(first.serving());
    expect(await again.renew()).toBe(false);
    const renamed = await openPki({ dir, names: ["other.example.com"], clock });
    expect(renamed.serving().cert).not.toBe(first.serving().cert);
    await clock.advance(336 * day);
    expect(await renamed.renew()).toBe(true);
    expect(await renamed.renew()).toBe(false);
    expect(new X509Certificate(renamed.serving().cert).verify(new X509Certificate(first.ca).publicKey)).toBe(true);
  });

  it("refuses a CA that has ended, and identities that a certificate can't hold", async () => {
    const dir = await directory();
    const clock = manualClock();
    const pki = await openPki({ dir, clock });
    for (const user of ["", "a".repeat(65), "a\nCN=admin"]) {
      await expect(pki.issueClient({ user, groups: [] })).rejects.toThrow("Invalid user");
    }
    await expect(pki.issueClient({ user: "a", groups: [""] })).rejects.toThrow("Invalid group");
    await clock.advance(3651 * day);
    await expect(openPki({ dir, clock })).rejects.toThrow("The CA certificate");
  });
});

describe("writeKubeconfig()", () => {
  it("writes a context named after the region, 0600", async () => {
    const dir = await directory();
    const pki = await openPki({ dir, clock: manualClock() });
    const file = path.join(dir, "kubeconfig");
    await writeKubeconfig(file, { pki, server: "https://127.0.0.1:6443", region: "us-central1" });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const text = await issueKubeconfig({ pki, server: "https://h:1", region: "r", user: "alice", groups: ["dev"] });
    expect(parse(text)).toMatchObject({
      "current-context": "r",
      clusters: [{ name: "r", cluster: { server: "https://h:1" } }],
      contexts: [{ name: "r", context: { cluster: "r", user: "alice@r", namespace: "default" } }],
    });
  });
});
