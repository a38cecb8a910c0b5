import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isHarmless, isPlainlyConfigured } from "./registries-conf.ts";

test.each([
  ["nothing", ""],
  ["comments", '# [[registry]]\n  # location = "x"\r\n'],
  ["where short names are looked for", 'unqualified-search-registries = ["docker.io", "quay.io"] # two\n'],
  ["short names", 'short-name-mode="enforcing"\n[aliases]\n  "alpine" = "docker.io/library/alpine"\n'],
])("isHarmless() lets through %s", (_, text) => {
  expect(isHarmless(text)).toBe(true);
});

test.each([
  ["a registry", '[[registry]]\nlocation = "127.0.0.1:5000"\n'],
  ["credential helpers", 'credential-helpers = ["secretservice"]\n'],
  ["the first version's form", '[registries.insecure]\nregistries = ["127.0.0.1:5000"]\n'],
  ["a list over several lines", 'unqualified-search-registries = [\n"docker.io"]\n'],
  ["what a comment doesn't cover", '"a" = "b#" [[registry]]\n'],
  ["what it doesn't know", "additional-layer-store-auth-helper = 1\n"],
])("isHarmless() stops at %s", (_, text) => {
  expect(isHarmless(text)).toBe(false);
});

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "elafros-conf-"));
  vi.stubEnv("HOME", home);
  vi.stubEnv("XDG_CONFIG_HOME", undefined);
  vi.stubEnv("CONTAINERS_REGISTRIES_CONF", undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

test("isPlainlyConfigured() looks at the user's files and at each part of a directory of them", async () => {
  const machine = await isPlainlyConfigured();
  const dir = join(home, ".config/containers");
  await mkdir(join(dir, "registries.conf.d"), { recursive: true });
  await writeFile(join(dir, "registries.conf"), 'short-name-mode = "disabled"\n');
  await writeFile(join(dir, "registries.conf.d/notes.txt"), "[[registry]]\n");
  expect(await isPlainlyConfigured()).toBe(machine);
  await writeFile(join(dir, "registries.conf.d/1.conf"), "[[registry]]\n");
  expect(await isPlainlyConfigured()).toBe(false);
  await rm(join(dir, "registries.conf.d/1.conf"));
  await rm(join(dir, "registries.conf"));
  await mkdir(join(dir, "registries.conf")); // what can't be read isn't known to be harmless
  expect(await isPlainlyConfigured()).toBe(false);
});

test("isPlainlyConfigured() leaves a configuration that the environment names to the tools", async () => {
  vi.stubEnv("CONTAINERS_REGISTRIES_CONF", join(home, "none"));
  expect(await isPlainlyConfigured()).toBe(false);
});
