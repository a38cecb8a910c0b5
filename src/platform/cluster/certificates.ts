import type { HttpClient } from "../../client/http.ts";
import { createSecretStore } from "../../kubernetes/certificates/store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { leaseMs } from "../../routing/link.ts";
import { type AcmeConfig, readAcmeSettings } from "../acme/settings.ts";
import { type Certificates, openCertificates } from "../certificates/start.ts";

interface ClusterCertificatesOptions {
  client: HttpClient;
  clock: Clock;
  log: Log;
  namespace: string;
  domain: string;
  https?: AcmeConfig;
  startVersion: number;
}

/**
 * The certificates of a cluster, kept in its Secrets: for the one controller that leads, so that one at a time orders from an ACME server. Undefined
 * where gateways serve HTTP only. Rejects with ApiError, or the system's error where a file of the ACME server can't be read.
 */
export async function certificatesOfCluster(options: ClusterCertificatesOptions): Promise<Certificates | undefined> {
  const { client, clock, log, namespace, domain, https, startVersion } = options;
  if (https === undefined) return undefined;
  const settings = await readAcmeSettings(https);
  const places = { "http-01": "port 80 to the gateways", "tls-alpn-01": "port 443 to the gateways" };
  return openCertificates({
    store: createSecretStore({ client, namespace }),
    acme: settings === undefined ? undefined : { ...settings, first: "http-01", places },
    of: domain,
    startVersion,
    // Until then gateways may still look for the one that leads; the one that an ACME server asks must not be among them.
    gatherMs: leaseMs,
    clock,
    log,
  });
}
