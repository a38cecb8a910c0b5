/**
 * Browsers on Linux have stores of their own, in NSS databases of each person (certutil(1)): Chromium's below `.pki`, Firefox' one in each
 * profile. They are changed as that person, so that files stay theirs.
 */
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { isThere } from "./stores.ts";

const run = promisify(execFile);

/** Whoever asked for this: with sudo, not root. */
export interface Person {
  /** Absent: this process's own. */
  user?: string;
  home: string;
}

/** From the environment that sudo(8) leaves. Rejects where that names somebody the machine doesn't know. */
export async function personAsking(env: NodeJS.ProcessEnv): Promise<Person> {
  const user = env["SUDO_USER"];
  if (user === undefined || user === "root" || process.getuid?.() !== 0) return { home: homedir() };
  const { stdout } = await run("getent", ["passwd", "--", user]);
  return { user, home: stdout.split(":")[5] ?? "" };
}

/** The databases that are there. */
export async function databasesOf({ home }: Person): Promise<string[]> {
  const places = [join(home, ".pki/nssdb")];
  for (const firefox of [".mozilla/firefox", "snap/firefox/common/.mozilla/firefox"]) {
    const profiles = await readdir(join(home, firefox)).catch(() => []);
    places.push(...profiles.map((name) => join(home, firefox, name)));
  }
  const found = await Promise.all(places.map((place) => isThere(join(place, "cert9.db"))));
  return places.filter((_, index) => found[index]);
}

/** Whether certutil is on this machine. */
export async function hasCertutil(): Promise<boolean> {
  return run("certutil", ["-H"]).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code !== "ENOENT",
  );
}

/** Trusts the certificate for servers. Rejects with certutil's own words. */
export async function addToDatabase(
  person: Person,
  database: string,
  { name, certificate }: { name: string; certificate: string },
): Promise<void> {
  await as(person, ["certutil", "-A", "-d", `sql:${database}`, "-n", name, "-t", "C,,", "-i", certificate]);
}

/** Takes it out; false where it isn't in there. */
export async function removeFromDatabase(person: Person, database: string, name: string): Promise<boolean> {
  return as(person, ["certutil", "-D", "-d", `sql:${database}`, "-n", name]).then(
    () => true,
    () => false,
  );
}

async function as({ user }: Person, [program = "", ...args]: string[]): Promise<void> {
  if (user === undefined) await run(program, args);
  else await run("runuser", ["-u", user, "--", program, ...args]);
}
