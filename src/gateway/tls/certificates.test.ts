import { beforeAll, describe, expect, it } from "vitest";
import { makeCertificate } from "../../apiserver/pki-certificates.ts";
import { silentLog } from "../../lib/log.ts";
import type { CertificateUpdate, ServedCertificate } from "../../routing/certificates.ts";
import { checkCertificates } from "../check-certificates.ts";
import { divert } from "../divert.ts";
import { Certificates } from "./certificates.ts";

let pair: { cert: string; key: string };

beforeAll(async () => {
  pair = await makeCertificate({ make: "authority", name: "test", days: 1, now: Date.now() });
});

const update = (more: Partial<CertificateUpdate>): CertificateUpdate => ({
  version: 1,
  whole: false,
  put: [],
  remove: [],
  ticketKeys: Buffer.alloc(48).toString("base64"),
  challenges: [],
  ...more,
});
const certificate = (id: string, ...names: string[]): ServedCertificate => ({ id, names, ...pair });

function loaded(...put: ServedCertificate[]): Certificates {
  const certificates = new Certificates(silentLog);
  certificates.apply(update({ whole: true, put }));
  return certificates;
}

describe("Certificates", () => {
  it("finds one by its name, in whatever case, else by the wildcard above", () => {
    const certificates = loaded(certificate("a", "www.x.org"), certificate("b", "*.x.org"));
    expect(certificates.context("WWW.x.org")).toBe(certificates.context("www.x.org"));
    expect(certificates.context("any.x.org")).toBe(certificates.context("other.x.org"));
    expect(certificates.context("any.x.org")).not.toBe(certificates.context("www.x.org"));
    for (const name of ["x.org", "a.b.x.org", "org", "", "*", "__proto__"])
      expect(certificates.context(name)).toBeUndefined();
  });

  it("makes a context anew only where its certificate has changed", () => {
    const certificates = loaded(certificate("a", "a.org"), certificate("b", "b.org"));
    const before = certificates.context("a.org");
    certificates.apply(update({ put: [certificate("a", "a.org"), certificate("b", "b.org", "c.org")] }));
    expect(certificates.context("a.org")).toBe(before);
    expect(certificates.context("c.org")).toBeDefined();
  });

  it("forgets what is removed, and not the name that another one has by then", () => {
    const certificates = loaded(certificate("old", "x.org"));
    certificates.apply(update({ put: [certificate("new", "x.org")] }));
    certificates.apply(update({ remove: ["old"] }));
    expect(certificates.has("x.org")).toBe(true);
    certificates.apply(update({ whole: true }));
    expect(certificates.has("x.org")).toBe(false);
  });

  it("serves others where one can't be used", () => {
    const certificates = loaded({ ...certificate("bad", "bad.org"), key: "none" }, certificate("good", "good.org"));
    expect(certificates.context("bad.org")).toBeUndefined();
    expect(certificates.context("good.org")).toBeDefined();
  });
});

describe("divert()", () => {
  const challenged = (): Certificates => {
    const certificates = loaded(certificate("a", "a.org"));
    certificates.apply(update({ challenges: [{ type: "http-01", host: "a.org", token: "t", answer: "t.x" }] }));
    return certificates;
  };
  it.each([
    ["a.org", "/x?y", 443, [308, "https://a.org/x?y"]],
    ["a.org", "*", 8443, [308, "https://a.org:8443/"]],
    ["b.org", "/", 443, []],
    ["a.org", "/x", undefined, []],
    ["a.org", "/.well-known/acme-challenge/t", 443, [200]],
    ["a.org", "/.well-known/acme-challenge/u", 443, [308, "https://a.org/.well-known/acme-challenge/u"]],
    ["b.org", "/.well-known/acme-challenge/t", 443, []],
  ])("of %s %s with port %s is %j", (host, path, redirectPort, expected) => {
    const answer = divert({ certificates: challenged(), redirectPort }, { host, path });
    expect([answer?.status, answer?.location].filter((part) => part !== undefined)).toEqual(expected);
  });
});

describe("checkCertificates()", () => {
  const good = update({ put: [{ id: "a", names: ["a"], cert: "C", key: "secret" }] });
  it("lets an update through, also as it comes from a file", () => {
    expect(checkCertificates(JSON.parse(JSON.stringify(good)))).toEqual(good);
  });
  it.each([
    [null],
    [{ ...good, version: -1 }],
    [{ ...good, ticketKeys: "short" }],
    [{ ...good, put: [{ id: "a", names: ["a"], cert: 1, key: "secret" }] }],
    [{ ...good, challenges: [{ type: "dns-01", host: "a" }] }],
  ])("refuses %j without repeating a key", (value) => {
    expect(() => checkCertificates(value)).toThrow(/^Cannot use the certificates: (?!.*secret)/);
  });
});
