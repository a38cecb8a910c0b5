/**
 * Whether the machine's registries.conf leaves registries as they are. Not read to be followed: a file with anything in it that might
 * concern how a registry is asked (mirrors, other locations, blocked ones, credential helpers) is for the tools alone.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { isMissing, names } from "./files.ts";

/** Lines about names without a registry, which are never asked that way here: containers-registries.conf(5). */
const harmless = [
  /^unqualified-search-registries\s*=\s*\[[^\]]*\]$/u,
  /^short-name-mode\s*=\s*"[a-z]+"$/u,
  /^\[aliases\]$/u,
  /^"[^"]+"\s*=\s*"[^"]+"$/u,
];

/** Whether each line is known not to matter. */
export function isHarmless(text: string): boolean {
  return text
    .split(/\r?\n/u)
    .map((line) => line.replace(/#.*$/u, "").trim())
    .every((line) => line === "" || harmless.some((form) => form.test(line)));
}

/** Whether the tools' configuration, wherever they look for it, changes nothing about how any registry is asked. */
export async function isPlainlyConfigured(): Promise<boolean> {
  if (process.env["CONTAINERS_REGISTRIES_CONF"] !== undefined) return false;
  const home = join(homedir(), ".config");
  const places = [process.env["XDG_CONFIG_HOME"] ?? home, home, "/etc", "/usr/share"];
  try {
    const files = await Promise.all([...new Set(places)].map((place) => configFiles(join(place, "containers"))));
    const checked = files.flat().map((file) => readFile(file, "utf8").then(isHarmless, isMissing));
    return (await Promise.all(checked)).every((one) => one);
  } catch {
    return false; // a directory that can't be read
  }
}

async function configFiles(place: string): Promise<string[]> {
  const more = join(place, "registries.conf.d");
  const parts = (await names(more)).filter((name) => name.endsWith(".conf"));
  return [join(place, "registries.conf"), ...parts.map((name) => join(more, name))];
}
