/**
 * The certificate store of a cluster: Secrets in the installation's namespace, so that whoever leads next has what the last one had. The
 * authority's certificate stands alone in a ConfigMap besides: people who are to trust it need no right to its key.
 */
import { createHash } from "node:crypto";
import { ConfigMap } from "../../api/config-map.ts";
import { isReason } from "../../api/meta/errors.ts";
import { Secret } from "../../api/secret.ts";
import type { ApplyingClient } from "../../client/client.ts";
import type { AcmeAccount, CertificateStore, Kept, KeptLeaf } from "../../lib/certificates/store.ts";
import { authorityName, partOf } from "../manifests/names.ts";

const fieldManager = "elafros-controller";
/** What a Secret of ours holds: `authority`, `tickets`, `account` or `leaf`. */
const contentLabel = "elafros.dev/certificates";
const idAnnotation = "elafros.dev/certificate-id";
const issuerAnnotation = "elafros.dev/certificate-issuer";
/** Secrets that are read at once: each has some kilobytes. */
const pageSize = 200;

export interface SecretStoreOptions {
  client: Pick<ApplyingClient, "get" | "list" | "apply" | "delete">;
  /** The installation's. */
  namespace: string;
}

/** Creates the store; nothing is read yet. Its operations reject with the API server's ApiError. */
export function createSecretStore(options: SecretStoreOptions): CertificateStore {
  const secrets = secretsOf(options);
  return {
    authority: {
      async read() {
        const [cert, key] = textsOf(await secrets.get(authorityName), "tls.crt", "tls.key");
        if (cert === "" || key === "") return undefined;
        // A backup of Secrets brings the key back, and not this.
        if ((await shownAuthority(options)) !== cert) await showAuthority(options, cert);
        return { cert, key };
      },
      async write({ cert, key }) {
        // First: without a key both are made again, without this nobody could trust it.
        await showAuthority(options, cert);
        await secrets.apply(authorityName, "authority", { type: tls, data: { "tls.crt": cert, "tls.key": key } });
      },
    },
    tickets: {
      async read() {
        const [keys, madeAt] = textsOf(await secrets.get("elafros-tickets"), "keys", "madeAt");
        return keys === "" || !/^\d{1,15}$/.test(madeAt) ? undefined : { keys, madeAt: Number(madeAt) };
      },
      write: ({ keys, madeAt }) =>
        secrets.apply("elafros-tickets", "tickets", { type: "Opaque", data: { keys, madeAt: String(madeAt) } }),
    },
    account: (server) => accountSecret(secrets, server),
    leaves: {
      async all() {
        return (await secrets.list("leaf")).flatMap((secret) => leafOf(secret) ?? []);
      },
      put: ({ id, issuer, cert, key }) =>
        secrets.apply(leafName(id), "leaf", {
          type: tls,
          data: { "tls.crt": cert, "tls.key": key },
          annotations: { [idAnnotation]: id, [issuerAnnotation]: issuer },
        }),
      remove: (id) => secrets.remove(leafName(id)),
    },
  };
}

/** The authority's certificate as everybody may read it. */
async function shownAuthority({ client, namespace }: SecretStoreOptions): Promise<string | undefined> {
  const map = await unlessGone(() => client.get(ConfigMap, { namespace, name: authorityName }));
  return map?.data?.["ca.crt"];
}

async function showAuthority({ client, namespace }: SecretStoreOptions, cert: string): Promise<void> {
  const metadata = { name: authorityName, namespace, labels: partOf };
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { "ca.crt": cert } };
  await client.apply(ConfigMap, map, { fieldManager, force: true });
}

const tls = "kubernetes.io/tls";

type Secrets = ReturnType<typeof secretsOf>;

function secretsOf({ client, namespace }: SecretStoreOptions) {
  return {
    get: (name: string): Promise<Secret | undefined> => unlessGone(() => client.get(Secret, { namespace, name })),
    async list(content: string): Promise<Secret[]> {
      const found: Secret[] = [];
      const labelSelector = `${contentLabel}=${content}`;
      let from = {};
      for (;;) {
        const page = await client.list(Secret, { namespace, labelSelector, limit: pageSize, ...from });
        found.push(...page.items);
        const next = page.metadata.continue ?? "";
        if (next === "") return found;
        from = { continue: next };
      }
    },
    async apply(
      name: string,
      content: string,
      { type, data, annotations }: { type: string; data: Record<string, string>; annotations?: Record<string, string> },
    ): Promise<void> {
      const labels = { ...partOf, [contentLabel]: content };
      const metadata = { name, namespace, labels, ...(annotations === undefined ? {} : { annotations }) };
      const object = { apiVersion: "v1", kind: "Secret", metadata, type, data: encoded(data) };
      await client.apply(Secret, object, { fieldManager, force: true });
    },
    async remove(name: string): Promise<void> {
      await unlessGone(() => client.delete(Secret, { namespace, name }));
    },
  };
}

function accountSecret(secrets: Secrets, server: string): Kept<AcmeAccount> {
  const name = `elafros-acme-${hash(server).slice(0, 16)}`;
  return {
    async read() {
      const [kept, key, account, proven] = textsOf(await secrets.get(name), "server", "key", "account", "proven");
      if (kept !== server || key === "") return undefined;
      return {
        server,
        key,
        ...(account === "" ? {} : { account }),
        ...(proven === "http-01" || proven === "tls-alpn-01" ? { proven } : {}),
      };
    },
    write: (value) => secrets.apply(name, "account", { type: "Opaque", data: { ...value } }),
  };
}

function leafOf(secret: Secret): KeptLeaf | undefined {
  const { [idAnnotation]: id, [issuerAnnotation]: issuer } = secret.metadata.annotations ?? {};
  const [cert, key] = textsOf(secret, "tls.crt", "tls.key");
  return id === undefined || issuer === undefined || cert === "" || key === "" ? undefined : { id, issuer, cert, key };
}

/** A Route's name may be long, and has a slash before it. */
function leafName(id: string): string {
  return `elafros-certificate-${hash(id).slice(0, 40)}`;
}

/** The values of these keys as text, empty where there is none. */
function textsOf<Keys extends string[]>(secret: Secret | undefined, ...keys: Keys): { [K in keyof Keys]: string } {
  const texts = keys.map((key) => Buffer.from(secret?.data?.[key] ?? "", "base64").toString("utf8"));
  return texts as { [K in keyof Keys]: string };
}

function encoded(data: Record<string, string>): Record<string, string> {
  const pairs = Object.entries(data).map(([key, text]) => [key, Buffer.from(text, "utf8").toString("base64")]);
  return Object.fromEntries(pairs) as Record<string, string>;
}

async function unlessGone<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isReason(error, "NotFound")) return undefined;
    throw error;
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
