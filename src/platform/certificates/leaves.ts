/**
 * The certificates that issuers made, kept over restarts: one file each (0600), in a directory that is root's alone. A file that can't be
 * read is no reason not to start: the certificate is made again.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { KeyPair } from "../../apiserver/pki.ts";
import { writeFileAtomic } from "../../lib/files.ts";
import { type CertificateFacts, fits, inspectCertificate } from "../../lib/certificates/inspect.ts";

export interface Leaf extends KeyPair, CertificateFacts {
  id: string;
  /** Name of its issuer. */
  issuer: string;
}

export interface Leaves {
  get(id: string): Leaf | undefined;
  /** Keeps it; resolves when it is on disk. */
  put(id: string, issuer: string, pair: KeyPair): Promise<Leaf>;
  remove(id: string): Promise<void>;
  /** Ids of all that are kept. */
  ids(): string[];
}

/** Reads all there are in the directory, which is made where it is missing. */
export async function openLeaves(dir: string): Promise<Leaves> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const leaves = new Map<string, Leaf>();
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    const leaf = name.endsWith(".json") ? await readLeaf(path) : undefined;
    if (leaf === undefined) await rm(path, { force: true });
    else leaves.set(leaf.id, leaf);
  }
  // A Route's name may be long, and has a slash before it.
  const pathOf = (id: string) => join(dir, `${createHash("sha256").update(id).digest("hex").slice(0, 40)}.json`);
  return {
    get: (id) => leaves.get(id),
    async put(id, issuer, { cert, key }) {
      const leaf: Leaf = { id, issuer, cert, key, ...inspectCertificate(cert) };
      await writeFileAtomic(pathOf(id), JSON.stringify({ id, issuer, cert, key }));
      leaves.set(id, leaf);
      return leaf;
    },
    async remove(id) {
      if (leaves.delete(id)) await rm(pathOf(id), { force: true });
    },
    ids: () => [...leaves.keys()],
  };
}

async function readLeaf(path: string): Promise<Leaf | undefined> {
  try {
    const { id, issuer, cert, key } = JSON.parse(await readFile(path, "utf8")) as Partial<Leaf>;
    if (id === undefined || issuer === undefined || cert === undefined || key === undefined) return undefined;
    return fits(cert, key) ? { id, issuer, cert, key, ...inspectCertificate(cert) } : undefined;
  } catch {
    return undefined;
  }
}
