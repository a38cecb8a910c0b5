/** What an installation is told of HTTPS, over what it was told before. */
import { readFile } from "node:fs/promises";
import { InstallError } from "../../kubernetes/install/wait.ts";
import type { AcmeInstall, InstallOptions } from "../../kubernetes/manifests/names.ts";
import { checkAcmeFiles } from "../acme/check-files.ts";
import type { AcmeConfig } from "../acme/settings.ts";

/** Files by their paths; `none` takes something back, and what is absent stays. */
export interface HttpsTold extends AcmeConfig {
  https?: boolean;
  httpsRedirect?: boolean;
}

type HttpsInstall = Pick<InstallOptions, "https" | "httpsRedirect" | "acme">;

/** Reads the files. @throws InstallError, or an Error naming the file, where something is told that can't be */
export async function settleHttps(told: HttpsTold, before: HttpsInstall = {}): Promise<HttpsInstall> {
  const https = told.https ?? before.https ?? false;
  if (!https) {
    refuseWithoutHttps(told);
    return {};
  }
  await checkAcmeFiles(told);
  const acme = await settleAcme(told, before.acme);
  return {
    https,
    httpsRedirect: told.httpsRedirect ?? before.httpsRedirect ?? false,
    ...(acme === undefined ? {} : { acme }),
  };
}

async function settleAcme(told: AcmeConfig, before: AcmeInstall | undefined): Promise<AcmeInstall | undefined> {
  const server = over(told.acmeServer, before?.server);
  if (server === undefined) {
    const flag = flagsOf(told)[0];
    if (flag === undefined) return undefined;
    throw new InstallError(`Cannot use ${flag}: there is no ACME server: name one with --acme-server`);
  }
  // What was told of another server isn't for this one.
  const kept = before?.server === server ? before : undefined;
  const [email, eabKid] = [over(told.acmeEmail, kept?.email), over(told.acmeEabKid, kept?.eabKid)];
  const [ca, eabKey] = await Promise.all([textOf(told.acmeCa, kept?.ca), textOf(told.acmeEabKey, kept?.eabKey)]);
  if ((eabKid === undefined) !== (eabKey === undefined)) {
    const [has, lacks] = eabKid === undefined ? ["key", "kid"] : ["kid", "key"];
    throw new InstallError(`Cannot use --acme-eab-${has} without --acme-eab-${lacks}: give both, or neither`);
  }
  return {
    server,
    ...(email === undefined ? {} : { email }),
    ...(ca === undefined ? {} : { ca }),
    ...(eabKid === undefined ? {} : { eabKid }),
    ...(eabKey === undefined ? {} : { eabKey }),
  };
}

function over(told: string | undefined, before: string | undefined): string | undefined {
  return told === "none" ? undefined : (told ?? before);
}

async function textOf(path: string | undefined, before: string | undefined): Promise<string | undefined> {
  if (path === undefined) return before;
  return path === "none" ? undefined : `${(await readFile(path, "utf8")).trim()}\n`;
}

function refuseWithoutHttps(told: HttpsTold): void {
  const [flag] = [...(told.httpsRedirect === true ? ["--https-redirect"] : []), ...flagsOf(told)];
  if (flag === undefined) return;
  throw new InstallError(`Cannot use ${flag}: the gateways serve no HTTPS: add --https`);
}

/** Those that say something. */
function flagsOf({ acmeServer, acmeEmail, acmeCa, acmeEabKid, acmeEabKey }: AcmeConfig): string[] {
  const flags = {
    "--acme-server": acmeServer,
    "--acme-email": acmeEmail,
    "--acme-ca": acmeCa,
    "--acme-eab-kid": acmeEabKid,
    "--acme-eab-key": acmeEabKey,
  };
  return Object.entries(flags).flatMap(([flag, value]) => (value === undefined || value === "none" ? [] : [flag]));
}
