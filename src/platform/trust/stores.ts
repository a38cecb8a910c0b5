/** Where distributions keep the authorities that a machine trusts, and what brings a change in force. */
import { execFile } from "node:child_process";
import { access, chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

interface Store {
  /** Files that are put here are trusted. */
  directory: string;
  /** What makes it so. */
  command: readonly [string, ...string[]];
}

const stores: readonly Store[] = [
  // Debian, Ubuntu, Alpine.
  { directory: "/usr/local/share/ca-certificates", command: ["update-ca-certificates"] },
  // Fedora, Red Hat.
  { directory: "/etc/pki/ca-trust/source/anchors", command: ["update-ca-trust", "extract"] },
  // SUSE.
  { directory: "/etc/pki/trust/anchors", command: ["update-ca-certificates"] },
  // Arch.
  { directory: "/etc/ca-certificates/trust-source/anchors", command: ["update-ca-trust", "extract"] },
];

/** The machine's store; undefined where it is of none of these kinds. */
export async function machineStore(): Promise<Store | undefined> {
  for (const store of stores) if (await isThere(store.directory)) return store;
  return undefined;
}

/** Puts the certificate, PEM, into the store under the name; returns the path. Rejects with the command's own error. */
export async function addToStore(store: Store, name: string, certificate: string): Promise<string> {
  const path = join(store.directory, `${name}.crt`);
  await writeFile(path, certificate);
  await chmod(path, 0o644);
  await update(store);
  return path;
}

/** Takes it out; false where it isn't there. */
export async function removeFromStore(store: Store, name: string): Promise<boolean> {
  const path = join(store.directory, `${name}.crt`);
  if (!(await isThere(path))) return false;
  await rm(path);
  await update(store);
  return true;
}

async function update({ command: [program, ...args] }: Store): Promise<void> {
  await run(program, args);
}

/** Whether the path exists. */
export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
