/** What an installation is told of its ACME server, read. */
import { readFile } from "node:fs/promises";
import { acmeServer, type PlatformConfig } from "../config.ts";
import type { Binding } from "./key.ts";

/** How it is told: files by their paths; `none` or absent for what there isn't. */
export type AcmeConfig = Pick<PlatformConfig, "acmeServer" | "acmeEmail" | "acmeEabKid" | "acmeEabKey" | "acmeCa">;

export interface AcmeSettings {
  /** The server's directory, a URL. */
  server: string;
  email: string | undefined;
  binding: Binding | undefined;
  /** Authorities to trust besides the machine's, PEM. */
  ca: string | undefined;
}

/** Reads the files; undefined where there is no ACME server. Rejects with the system's error where a file can't be read. */
export async function readAcmeSettings(config: AcmeConfig): Promise<AcmeSettings | undefined> {
  const server = acmeServer(config);
  if (server === undefined) return undefined;
  const { acmeEmail = "none", acmeCa = "none", acmeEabKid = "none", acmeEabKey = "none" } = config;
  return {
    server,
    email: acmeEmail === "none" ? undefined : acmeEmail,
    binding:
      acmeEabKid === "none" || acmeEabKey === "none"
        ? undefined
        : { keyId: acmeEabKid, key: Buffer.from((await readFile(acmeEabKey, "utf8")).trim(), "base64url") },
    ca: acmeCa === "none" ? undefined : await readFile(acmeCa, "utf8"),
  };
}
