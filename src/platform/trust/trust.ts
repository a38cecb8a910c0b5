/** Makes this machine trust the installation's local CA, and takes that back. */
import { createHash, X509Certificate } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireRoot } from "../settings.ts";
import type { TrustOptions } from "../types.ts";
import { addToDatabase, databasesOf, hasCertutil, type Person, personAsking, removeFromDatabase } from "./browsers.ts";
import { clusterSource, localSource } from "./sources.ts";
import { addToStore, machineStore, removeFromStore } from "./stores.ts";

/**
 * Installs the local CA's certificate in the machine's store and the browsers' of the person who asks, removes it there, or prints it.
 * @throws Error naming what is missing, and the way out
 */
export async function trust(options: TrustOptions): Promise<void> {
  const { print } = options;
  const ofMachine = options.cluster === undefined;
  // A cluster shows its CA to who may read it there; stores of this machine are root's.
  if (ofMachine || options.printCertificate !== true) requireRoot("trust");
  const source = ofMachine ? await localSource(options.dataDir) : clusterSource(options.cluster);
  if (options.remove === true) {
    const removed = await distrust(source.identity, await personAsking(process.env));
    for (const place of removed) print(`Removed from ${place}`);
    if (removed.length === 0) print(`Nothing to remove: this machine doesn't trust the local CA of ${source.words}`);
    return;
  }
  const text = await source.read();
  if (options.printCertificate === true) {
    print(text.trimEnd());
    return;
  }
  const { subject, fingerprint256 } = new X509Certificate(text);
  print(`Local CA: ${subject.replace(/^CN=/, "")}, SHA-256 ${fingerprint256}`);
  const name = nameOf(source.identity);
  const store = await machineStore();
  if (store === undefined) {
    print(`This machine's store of trusted authorities isn't known: add the certificate by hand, as its handbook says`);
    print(`  elafros trust --print > elafros-ca.crt`);
  } else print(`Installed in ${await addToStore(store, name, text)}`);
  await trustInBrowsers(await personAsking(process.env), { name, certificate: text, print });
  print("On other machines: copy what 'elafros trust --print' gives there, and add it to their stores");
}

/** Takes the local CA of a data directory, or another identity, out of every store of this machine; returns where it was. */
export async function distrust(identity: string, person: Person): Promise<string[]> {
  const name = nameOf(identity);
  const removed: string[] = [];
  const store = await machineStore();
  if (store !== undefined && (await removeFromStore(store, name))) removed.push(store.directory);
  if (!(await hasCertutil())) return removed;
  for (const database of await databasesOf(person)) {
    if (await removeFromDatabase(person, database, name)) removed.push(database);
  }
  return removed;
}

/** The same for an installation whatever its CA is by now, so that an old one is replaced and can be removed. */
function nameOf(identity: string): string {
  return `elafros-${createHash("sha256").update(identity).digest("hex").slice(0, 12)}`;
}

async function trustInBrowsers(
  person: Person,
  { name, certificate, print }: { name: string; certificate: string; print: (line: string) => void },
): Promise<void> {
  const databases = await databasesOf(person);
  if (databases.length === 0) return;
  if (!(await hasCertutil())) {
    print(
      "Browsers have stores of their own: install certutil (apt: libnss3-tools, dnf: nss-tools) and run this again",
    );
    return;
  }
  await withReadableFile(certificate, async (path) => {
    for (const database of databases) {
      await removeFromDatabase(person, database, name);
      await addToDatabase(person, database, { name, certificate: path });
      print(`Installed in ${database}`);
    }
  });
}

/** The data directory is closed to the person whose browsers they are. */
async function withReadableFile(text: string, use: (path: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "elafros-trust-"));
  try {
    await chmod(directory, 0o755);
    const path = join(directory, "ca.crt");
    await writeFile(path, text, { mode: 0o644 });
    await chmod(path, 0o644);
    await use(path);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
