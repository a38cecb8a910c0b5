/** The authorities that an installation trusts besides the public ones: a ConfigMap beside the controllers, key `ca.crt`. Read each time, so that a change counts from the next build on. */
import { ConfigMap } from "../../api/config-map.ts";
import { isReason } from "../../api/meta/errors.ts";
import type { Client } from "../../client/client.ts";
import type { Log } from "../../lib/log.ts";

/** A build's Secret has room for a megabyte, and all else is in it too. */
const largest = 256 << 10;
const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/gu;

/**
 * A function that gives the certificates, PEM; undefined where there are none, which is logged: whoever named the ConfigMap wanted some. It rejects with ApiError
 *
 * @param place of the ConfigMap
 */
export function createAuthorities(
  client: Pick<Client, "get">,
  place: { namespace: string; name: string },
  log: Pick<Log, "warn">,
): () => Promise<string | undefined> {
  const lacking = (why: string) => {
    const { namespace, name } = place;
    log.warn({ configMap: `${namespace}/${name}`, why }, "Authorities that --authorities names can't be read");
    return undefined;
  };
  return async () => {
    try {
      const text = (await client.get(ConfigMap, place)).data?.["ca.crt"] ?? "";
      const found = text.match(certificate) ?? [];
      if (found.length === 0) return lacking('it has no certificates in PEM under the key "ca.crt"');
      const certificates = `${found.join("\n")}\n`;
      return certificates.length > largest ? lacking(`it has more than ${largest} bytes`) : certificates;
    } catch (error) {
      if (isReason(error, "NotFound")) return lacking("it isn't there");
      throw error;
    }
  };
}
