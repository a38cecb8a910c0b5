/** What both sides of the certificate store promise: one machine's files, and a cluster's Secrets. */
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryCluster } from "../../../test/support/memory-cluster.ts";
import { ConfigMap } from "../../api/config-map.ts";
import { ApiError } from "../../api/meta/errors.ts";
import { Secret } from "../../api/secret.ts";
import type { CertificateStore, KeptPair } from "../../lib/certificates/store.ts";
import { openFileStore } from "../../platform/certificates/file-store.ts";
import { createSecretStore } from "./store.ts";

const namespace = "elafros-system";

let base: string;
let made = 0;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "elafros-store-"));
});
afterAll(() => rm(base, { recursive: true }));

/** One that isn't there yet. */
const directory = (): string => join(base, `certificates-${(made += 1)}`);

/** Each gives a function that opens the same store anew, as the next control does. */
const sides: [string, () => () => Promise<CertificateStore>][] = [
  [
    "files",
    () => {
      const dir = directory();
      return () => openFileStore(dir);
    },
  ],
  [
    "Secrets",
    () => {
      const { client } = memoryCluster();
      return () => Promise.resolve(createSecretStore({ client, namespace }));
    },
  ],
];

const pair = (name: string): KeptPair => ({ cert: `certificate ${name}\n`, key: `key ${name}\n` });
const sorted = (leaves: { id: string }[]) => leaves.toSorted((one, other) => one.id.localeCompare(other.id));

describe.each(sides)("a certificate store of %s", (_, make) => {
  let open: () => Promise<CertificateStore>;
  beforeAll(() => {
    open = make();
  });

  it("has nothing at first", async () => {
    const store = await open();
    const { authority, tickets, leaves } = store;
    expect([await authority.read(), await tickets.read(), await store.account("https://ca.test/dir").read()]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(await leaves.all()).toEqual([]);
    await leaves.remove("ns/web hosts");
  });

  it("has what was written last, also for who opens it next", async () => {
    const store = await open();
    await store.authority.write(pair("old"));
    await store.authority.write(pair("ca"));
    await store.tickets.write({ keys: "a2V5cw==", madeAt: 1_767_225_600_000 });
    const account = { server: "https://ca.test/dir", key: "account key" };
    await store.account(account.server).write(account);
    const known = { ...account, account: "https://ca.test/account/1", proven: "tls-alpn-01" as const };
    await store.account(account.server).write(known);
    const next = await open();
    expect(await next.authority.read()).toEqual(pair("ca"));
    expect(await next.tickets.read()).toEqual({ keys: "a2V5cw==", madeAt: 1_767_225_600_000 });
    expect(await next.account(account.server).read()).toEqual(known);
    expect(await next.account("https://other.test/dir").read()).toBeUndefined();
  });

  it("keeps leaves by ids of any form and length, one for each, until they are removed", async () => {
    const { leaves } = await open();
    const long = `${"n".repeat(63)}/${"r".repeat(50)} ${"d".repeat(60)}.${"e".repeat(60)}.example.com`;
    const wanted = ["ns/web hosts", "ns/web *.example.com", long].map((id) => ({ id, issuer: "local", ...pair(id) }));
    for (const leaf of wanted) await leaves.put(leaf);
    const renewed = { id: "ns/web hosts", issuer: "acme https://ca.test/dir", ...pair("renewed") };
    await leaves.put(renewed);
    const rest = wanted.filter(({ id }) => id !== renewed.id);
    expect(sorted(await (await open()).leaves.all())).toEqual(sorted([renewed, ...rest]));
    await leaves.remove(long);
    expect((await (await open()).leaves.all()).map(({ id }) => id).toSorted()).toEqual([
      "ns/web *.example.com",
      "ns/web hosts",
    ]);
  });
});

describe("openFileStore()", () => {
  it("keeps files that are their owner's alone, and does without leaves that aren't usable", async () => {
    const dir = directory();
    const store = await openFileStore(dir);
    await store.authority.write(pair("ca"));
    await store.leaves.put({ id: "ns/web hosts", issuer: "local", ...pair("leaf") });
    for (const [name, mode] of [
      ["", 0o700],
      ["ca.key", 0o600],
      ["leaves", 0o700],
    ] as const) {
      expect([name, (await stat(join(dir, name))).mode & 0o777]).toEqual([name, mode]);
    }
    await writeFile(join(dir, "leaves", "broken.json"), '{"id":"x"');
    await writeFile(join(dir, "leaves", "half.json"), '{"id":"x"}');
    expect((await store.leaves.all()).map(({ id }) => id)).toEqual(["ns/web hosts"]);
    expect(await readdir(join(dir, "leaves"))).toHaveLength(1);
  });
});

describe("createSecretStore()", () => {
  it("shows the authority's certificate in a ConfigMap, and no key but in Secrets", async () => {
    const cluster = memoryCluster();
    const store = createSecretStore({ client: cluster.client, namespace });
    await store.authority.write(pair("ca"));
    await store.leaves.put({ id: "ns/web hosts", issuer: "local", ...pair("leaf") });
    expect(cluster.get(ConfigMap, "elafros-ca", namespace)?.data).toEqual({ "ca.crt": "certificate ca\n" });
    expect(cluster.all(ConfigMap)).toHaveLength(1);
    for (const secret of cluster.all(Secret)) {
      const { data, ...open } = secret;
      expect(secret.type).toBe("kubernetes.io/tls");
      expect(Object.keys(data ?? {})).toEqual(["tls.crt", "tls.key"]);
      expect(JSON.stringify(open)).not.toContain("key ");
    }
  });

  it("shows the certificate again where a backup has brought the Secret back alone, and writes nothing where it is shown", async () => {
    const cluster = memoryCluster();
    await createSecretStore({ client: cluster.client, namespace }).authority.write(pair("ca"));
    cluster.remove(ConfigMap, "elafros-ca", namespace);
    const { authority } = createSecretStore({ client: cluster.client, namespace });
    expect(await authority.read()).toEqual(pair("ca"));
    expect(cluster.get(ConfigMap, "elafros-ca", namespace)?.data).toEqual({ "ca.crt": "certificate ca\n" });
    cluster.calls.length = 0;
    await authority.read();
    expect(cluster.calls).toEqual([]);
  });

  it("leaves Secrets alone that aren't its own, and those that somebody changed for the worse", async () => {
    const cluster = memoryCluster();
    const { leaves } = createSecretStore({ client: cluster.client, namespace });
    const secret = (name: string, more: object): Secret => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace, ...more },
      data: {},
    });
    cluster.put(Secret, secret("other", {}));
    cluster.put(Secret, secret("emptied", { labels: { "elafros.dev/certificates": "leaf" } }));
    expect(await leaves.all()).toEqual([]);
  });

  it("reads them in pages", async () => {
    const { client, calls } = memoryCluster();
    const { leaves } = createSecretStore({ client, namespace });
    for (let i = 0; i < 401; i++) await leaves.put({ id: `ns/web ${i}`, issuer: "local", ...pair("leaf") });
    calls.length = 0;
    expect(await leaves.all()).toHaveLength(401);
    expect(calls).toHaveLength(3);
  });

  it("passes the API server's errors on", async () => {
    const cluster = memoryCluster();
    cluster.refuse(Secret, new ApiError("Forbidden", "no"));
    const { tickets } = createSecretStore({ client: cluster.client, namespace });
    await expect(tickets.write({ keys: "", madeAt: 0 })).rejects.toMatchObject({ reason: "Forbidden" });
  });
});
