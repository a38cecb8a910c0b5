/** The certificate store of one machine: files in one directory that is root's alone (0700), each its owner's alone (0600). */
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { AcmeAccount, CertificateStore, Kept, KeptLeaf, TicketKeys } from "../../lib/certificates/store.ts";
import { readJson, writeFileAtomic } from "../../lib/files.ts";

/** Opens the directory, which is made where it is missing. Rejects with the system's error where that can't be done. */
export async function openFileStore(dir: string): Promise<CertificateStore> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const leaves = join(dir, "leaves");
  // A Route's name may be long, and has a slash before it.
  const leafPath = (id: string) => join(leaves, `${hash(id).slice(0, 40)}.json`);
  return {
    authority: {
      async read() {
        const [cert, key] = await Promise.all([readText(join(dir, "ca.crt")), readText(join(dir, "ca.key"))]);
        return cert === undefined || key === undefined ? undefined : { cert, key };
      },
      async write({ cert, key }) {
        // The key first: a crash in between leaves a certificate that isn't there, or doesn't fit, and both are made again.
        await writeFileAtomic(join(dir, "ca.key"), key);
        await writeFileAtomic(join(dir, "ca.crt"), cert);
      },
    },
    tickets: {
      async read() {
        const kept = (await readJson(join(dir, "tickets.json")).catch(() => undefined)) as
          | Partial<TicketKeys>
          | undefined;
        const { keys, madeAt } = kept ?? {};
        return typeof keys === "string" && typeof madeAt === "number" ? { keys, madeAt } : undefined;
      },
      write: (value) => writeFileAtomic(join(dir, "tickets.json"), JSON.stringify(value)),
    },
    account: (server) => accountFile(join(dir, "acme", `${hash(server).slice(0, 16)}.json`)),
    leaves: {
      all: () => allLeaves(leaves),
      async put({ id, issuer, cert, key }) {
        await mkdir(leaves, { recursive: true, mode: 0o700 });
        await writeFileAtomic(leafPath(id), JSON.stringify({ id, issuer, cert, key }));
      },
      remove: (id) => rm(leafPath(id), { force: true }),
    },
  };
}

function accountFile(path: string): Kept<AcmeAccount> {
  return {
    read: async () => (await readJson(path)) as AcmeAccount | undefined,
    async write(account) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFileAtomic(path, JSON.stringify(account));
    },
  };
}

/** What can't be read goes: it is made again. */
async function allLeaves(dir: string): Promise<KeptLeaf[]> {
  const leaves: KeptLeaf[] = [];
  const names = await readdir(dir).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  });
  for (const name of names) {
    const path = join(dir, name);
    const leaf = name.endsWith(".json") ? await readLeaf(path) : undefined;
    if (leaf === undefined) await rm(path, { force: true });
    else leaves.push(leaf);
  }
  return leaves;
}

async function readLeaf(path: string): Promise<KeptLeaf | undefined> {
  const { id, issuer, cert, key } = ((await readJson(path).catch(() => undefined)) ?? {}) as Partial<KeptLeaf>;
  const whole = id !== undefined && issuer !== undefined && cert !== undefined && key !== undefined;
  return whole ? { id, issuer, cert, key } : undefined;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
