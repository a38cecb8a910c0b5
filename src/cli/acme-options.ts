/** What a command is told of the ACME server that certificates come from. */
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";

export interface AcmeOptions {
  acmeServer?: string;
  acmeEmail?: string;
  acmeCa?: string;
  acmeEabKid?: string;
  acmeEabKey?: string;
}

/** Adds `--acme-server` and those that go with it; `none` takes one back. */
export function acmeOptions(command: Command): Command {
  return command
    .option(
      "--acme-server <url>",
      "the directory of an ACME server to get certificates from, whose terms you accept (default: none, but the local CA)",
      httpsUrlOrNone,
    )
    .option("--acme-email <address>", "whom the ACME server may write to (default: none)", emailOrNone)
    .option(
      "--acme-ca <file>",
      "authorities to trust for the ACME server besides the machine's (default: none)",
      fileOrNone,
    )
    .option(
      "--acme-eab-kid <id>",
      "the key id that the ACME server's owner gave you, where it wants its accounts tied to yours (default: none)",
      keyId,
    )
    .option("--acme-eab-key <file>", "a file with the key to it, in base64url (default: none)", fileOrNone);
}

/** Those that were given, and nothing else. */
export function acmeOptionsOf({ acmeServer, acmeEmail, acmeCa, acmeEabKid, acmeEabKey }: AcmeOptions): AcmeOptions {
  return {
    ...(acmeServer === undefined ? {} : { acmeServer }),
    ...(acmeEmail === undefined ? {} : { acmeEmail }),
    ...(acmeCa === undefined ? {} : { acmeCa }),
    ...(acmeEabKid === undefined ? {} : { acmeEabKid }),
    ...(acmeEabKey === undefined ? {} : { acmeEabKey }),
  };
}

function httpsUrlOrNone(text: string): string {
  if (text !== "none" && URL.parse(text)?.protocol !== "https:") {
    throw new InvalidArgumentError("Give an https:// URL, such as https://acme-v02.api.letsencrypt.org/directory.");
  }
  return text;
}

function emailOrNone(text: string): string {
  if (text !== "none" && !/^[^@\s,?]{1,64}@[^@\s,?]{1,253}$/.test(text)) {
    throw new InvalidArgumentError("Give one e-mail address, such as admin@example.com.");
  }
  return text;
}

function keyId(text: string): string {
  if (!/^[\x21-\x7e]{1,255}$/.test(text)) throw new InvalidArgumentError("Give 1 to 255 characters without spaces.");
  return text;
}

function fileOrNone(text: string): string {
  return text === "none" ? text : resolve(text);
}
