/**
 * The certificate that controllers show to gateways: self-signed, in a Secret of the installation's namespace, the certificate alone in a
 * ConfigMap that gateways mount. Whoever leads makes them where there is none, or where it ends within a month, which may be long after it began to lead.
 */
import { X509Certificate } from "node:crypto";
import { ConfigMap } from "../../api/config-map.ts";
import { isReason } from "../../api/meta/errors.ts";
import { Secret } from "../../api/secret.ts";
import type { KeyPair } from "../../apiserver/pki.ts";
import { certificateMaker } from "../../apiserver/pki-thread.ts";
import type { ApplyingClient } from "../../client/client.ts";
import { linkCertificate } from "../../kubernetes/manifests/names.ts";
import { fits } from "../../lib/certificates/inspect.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";

/** The name in the certificate, that gateways expect whatever address they connect to. */
export const linkServerName = "controller.elafros.dev";

const days = 365;
const dayMs = 86_400_000;
const renewBeforeMs = 30 * dayMs;
const fieldManager = "elafros-controller";

/** The pair, PEM. Rejects with ApiError where the Secret can't be read or written. */
export async function openLinkCertificate(
  client: Pick<ApplyingClient, "get" | "apply">,
  namespace: string,
  clock: Clock,
): Promise<KeyPair> {
  const place = { name: linkCertificate, namespace };
  const pair = (await readLinkCertificate(client, namespace, clock)) ?? (await make(clock));
  const encoded = (text: string) => Buffer.from(text, "utf8").toString("base64");
  const options = { fieldManager, force: true };
  const metadata = place;
  const data = { "tls.crt": encoded(pair.cert), "tls.key": encoded(pair.key) };
  await client.apply(
    Secret,
    { apiVersion: "v1", kind: "Secret", metadata, type: "kubernetes.io/tls", data } as Secret,
    options,
  );
  // The second: a gateway that has the certificate may meet a controller that has it.
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { "ca.crt": pair.cert } };
  await client.apply(ConfigMap, map, options);
  return pair;
}

/**
 * Looks after the pair from day to day, for as long as this process leads. The returned function ends it.
 * @param changed is given each pair that takes the place of the one before
 */
export function keepLinkCertificate(
  pair: KeyPair,
  options: { client: Pick<ApplyingClient, "get" | "apply">; namespace: string; clock: Clock; log: Log },
  changed: (pair: KeyPair) => void,
): () => void {
  const { client, namespace, clock, log } = options;
  let present = pair;
  let stopped = false;
  let cancel = (): void => {};
  const look = async (): Promise<void> => {
    try {
      const found = await openLinkCertificate(client, namespace, clock);
      if (!stopped && found.cert !== present.cert) changed((present = found));
    } catch (error) {
      log.warn({ error }, "The certificate of the gateways' link can't be looked after; trying again tomorrow");
    }
    again();
  };
  const again = (): void => {
    if (!stopped) cancel = clock.after(dayMs, () => void look());
  };
  again();
  return () => {
    stopped = true;
    cancel();
  };
}

/** The pair that is there and good for a month at least; whoever doesn't lead waits for one. Rejects with ApiError. */
export async function readLinkCertificate(
  client: Pick<ApplyingClient, "get">,
  namespace: string,
  clock: Clock,
): Promise<KeyPair | undefined> {
  const secret = await client.get(Secret, { name: linkCertificate, namespace }).catch((error: unknown) => {
    if (isReason(error, "NotFound")) return undefined;
    throw error;
  });
  return good(secret, clock.now());
}

function good(secret: Secret | undefined, now: number): KeyPair | undefined {
  const text = (name: string) => Buffer.from(secret?.data?.[name] ?? "", "base64").toString("utf8");
  const [cert, key] = [text("tls.crt"), text("tls.key")];
  if (cert === "" || !fits(cert, key)) return undefined;
  return new X509Certificate(cert).validToDate.getTime() - now > renewBeforeMs ? { cert, key } : undefined;
}

async function make(clock: Clock): Promise<KeyPair> {
  const maker = certificateMaker(clock);
  const now = clock.now();
  const authority = await maker({ make: "authority", name: "Elafros controllers", days, now });
  const subject = [{ O: ["Elafros"] }];
  const leaf = await maker({ make: "certificate", authority, subject, names: [linkServerName], days, now });
  // The authority's key is forgotten: nothing else is ever signed with it.
  return { cert: `${leaf.cert.trimEnd()}\n${authority.cert}`, key: leaf.key };
}
