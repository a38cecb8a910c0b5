import type { Clock } from "../../lib/clock.ts";
import { parseHostPort } from "../../lib/listening-socket.ts";
import type { Log } from "../../lib/log.ts";
import { reconnectMs } from "../../routing/link.ts";
import { readAcmeSettings } from "../acme/settings.ts";
import { openFileStore } from "../certificates/file-store.ts";
import { type Certificates, openCertificates } from "../certificates/start.ts";
import { httpsAddress, type PlatformConfig, platformPaths } from "../config.ts";

/** The certificates of one machine, kept in its files. Rejects with the system's error where a file can't be read or written. */
export async function certificatesOf(
  config: PlatformConfig,
  { clock, log }: { clock: Clock; log: Log },
): Promise<Certificates> {
  const port = (address: string | undefined) => (address === undefined ? 0 : parseHostPort(address).port);
  // What is on its standard port is what an ACME server will find.
  const first = port(config.http) !== 80 && port(httpsAddress(config)) === 443 ? "tls-alpn-01" : "http-01";
  const places = { "http-01": "port 80 to --http", "tls-alpn-01": "port 443 to --https" };
  const settings = await readAcmeSettings(config);
  return openCertificates({
    store: await openFileStore(platformPaths(config.dataDir).certificates),
    acme: settings === undefined ? undefined : { ...settings, first, places },
    gatherMs: 2 * reconnectMs,
    clock,
    log,
  });
}
