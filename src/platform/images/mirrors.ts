/**
 * Where an image is asked for: registries.conf of the machine names mirrors, other places and blocked registries (containers-registries.conf(5)). It is read by
 * podman, whose file it is; where that isn't there, the registry alone is asked.
 */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../../runtime/images.ts";
import { type ImageReference, parseReference } from "../../runtime/registry/reference.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** An entry as `podman info` tells it. */
interface Registry {
  Prefix: string;
  Location: string;
  Blocked: boolean;
  MirrorByDigestOnly: boolean;
  Mirrors: { Location: string; PullFromMirror: string }[] | null;
}

const podmanMs = 60_000;
const mostBytes = 16 << 20;

/** The places in the order in which they are tried, the registry itself at last. @throws ImageError where it is blocked */
export async function placesOf(reference: ImageReference, env: Env): Promise<ImageReference[]> {
  if (!(await saysAnything(env))) return [reference];
  return placesIn(await registriesOf(env), reference);
}

/**
 * The places of an image by these entries, of which the one with the longest prefix counts. Pure.
 * @throws ImageError where it is blocked
 */
export function placesIn(registries: readonly Registry[], reference: ImageReference): ImageReference[] {
  const { name, tag, digest } = reference;
  const matching = registries
    .map((entry) => ({ entry, length: matchedLength(name, entry.Prefix) }))
    .filter(({ length }) => length > 0)
    .toSorted((a, b) => b.entry.Prefix.length - a.entry.Prefix.length)[0];
  if (matching === undefined) return [reference];
  const { entry, length } = matching;
  if (entry.Blocked) {
    throw new ImageError(`registry "${reference.registry}" is blocked for "${name}" by this machine's registries.conf`);
  }
  const serves = (when: string) => when === "" || (when === "digest-only") === (digest !== undefined);
  const mirrors = (entry.Mirrors ?? []).filter(({ PullFromMirror: when }) =>
    serves(entry.MirrorByDigestOnly ? "digest-only" : when === "all" ? "" : when),
  );
  const end = digest === undefined ? `:${tag ?? "latest"}` : `@${digest}`;
  const at = (location: string) =>
    location === "" ? reference : parseReference(`${location}${name.slice(length)}${end}`);
  return [...mirrors.map(({ Location }) => at(Location)), at(entry.Location)];
}

/** How much of a name a prefix takes, 0 where it isn't one: `HOST[/PATH]`, or `*.DOMAIN` for all hosts below. */
function matchedLength(name: string, prefix: string): number {
  if (prefix.startsWith("*.")) {
    const host = (name.split("/")[0] ?? "").replace(/:\d+$/u, "");
    return host.endsWith(prefix.slice(1)) ? host.length : 0;
  }
  return name === prefix || name.startsWith(`${prefix}/`) ? prefix.length : 0;
}

/** Whether any of the files has more than names to search, which are for short names alone. */
async function saysAnything(env: Env): Promise<boolean> {
  const home = join(env["XDG_CONFIG_HOME"] ?? join(env["HOME"] ?? "/root", ".config"), "containers");
  const named = env["CONTAINERS_REGISTRIES_CONF"] ?? "";
  const files = named === "" ? [join(home, "registries.conf"), "/etc/containers/registries.conf"] : [named];
  for (const directory of [join(home, "registries.conf.d"), "/etc/containers/registries.conf.d"]) {
    const names = await readdir(directory).catch(() => []);
    files.push(...names.filter((name) => name.endsWith(".conf")).map((name) => join(directory, name)));
  }
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  return texts.some((text) => /^[ \t]*\[\[ *registry *\]\]/m.test(text));
}

function registriesOf(env: Env): Promise<Registry[]> {
  return new Promise((resolve, reject) => {
    const options = { env, timeout: podmanMs, maxBuffer: mostBytes };
    execFile("podman", ["info", "--format", "json"], options, (error, stdout, stderr) => {
      if (error !== null && error.code === "ENOENT") return resolve([]);
      if (error !== null) {
        const said = stderr.trim().split("\n").at(-1) ?? "";
        return reject(new ImageError(`Cannot read this machine's registries.conf by podman: ${said || error.message}`));
      }
      const { registries = {} } = JSON.parse(stdout) as { registries?: Record<string, Registry | string[]> };
      // Under "search" are the names to search.
      return resolve(Object.values(registries).flatMap((entry) => (Array.isArray(entry) ? [] : [entry])));
    });
  });
}
