import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { AcmeConfig } from "./settings.ts";

/** Looks at the files that are named, while somebody is there to read what is wrong. @throws Error with the flag, the file and the way out */
export async function checkAcmeFiles({ acmeCa = "none", acmeEabKey = "none" }: AcmeConfig): Promise<void> {
  if (acmeCa !== "none") {
    await checkFile(acmeCa, "--acme-ca", (text) => void new X509Certificate(text));
  }
  if (acmeEabKey !== "none") {
    await checkFile(acmeEabKey, "--acme-eab-key", (text) => {
      if (!/^[\w-]{16,}=*$/.test(text.trim())) throw new Error("it holds no key in base64url");
    });
  }
}

async function checkFile(path: string, flag: string, check: (text: string) => void): Promise<void> {
  try {
    check(await readFile(path, "utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const what = flag === "--acme-ca" ? "certificates in PEM" : "the key alone, in base64url";
    throw new Error(`Cannot use ${flag} "${path}": ${why}; give a file with ${what}`, { cause: error });
  }
}
