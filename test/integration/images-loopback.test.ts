/** What is asked without a tool, and what never is; and that both ways give the same, at real registries. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { silentLog } from "../../src/lib/log.ts";
import { loopbackManifest } from "../../src/runtime/oci/images-loopback.ts";
import { parseReference } from "../../src/runtime/registry/reference.ts";
import { registryManifest } from "../../src/runtime/oci/images-registry.ts";
import { createImageStore } from "../../src/runtime/oci/images.ts";
import { runTool } from "../../src/runtime/oci/storage-run.ts";
import type { RegistryAuth } from "../../src/runtime/workloads.ts";
import { makeImages, retag } from "../support/images.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { startTokenServer } from "../support/token-server.ts";

const login = { username: "bob", password: "s3cret" };
let open: TestRegistry;
let home: string;

beforeAll(async () => {
  open = await startRegistry();
  await makeImages(open);
});
afterAll(() => open.close());
beforeEach(async () => {
  // A user with no configuration and no credentials, unless a test says so.
  home = await mkdtemp(join(tmpdir(), "elafros-loopback-"));
  for (const name of ["HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"]) vi.stubEnv(name, home);
  for (const name of ["XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "CONTAINERS_REGISTRIES_CONF"])
    vi.stubEnv(name, undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

const quick = (image: string, ...auth: RegistryAuth[]) => loopbackManifest(parseReference(image), auth);
const byTool = (image: string, ...auth: RegistryAuth[]) =>
  registryManifest({ temporary: home, images: home, env: {}, run: runTool }, parseReference(image), auth);

test("a tag is resolved without any tool, to what the tool says", async () => {
  const image = `${open.host}/busybox:1`;
  expect(await quick(image)).toEqual(await byTool(image));
  const store = await createImageStore({ images: join(home, "images"), runRoot: join(home, "run"), log: silentLog });
  const moving = `${open.host}/moving:1`;
  const seen: string[] = [];
  for (const of of ["busybox:1", "busybox:exits"] as const) {
    await retag(open, "moving:1", of);
    const path = process.env["PATH"];
    vi.stubEnv("PATH", "/nowhere");
    seen.push(await store.resolve(moving, [], "Always"));
    vi.stubEnv("PATH", path);
  }
  expect(seen).toEqual([
    expect.stringMatching(/\/moving@sha256:[0-9a-f]{64}$/u),
    expect.stringMatching(/\/moving@sha256:[0-9a-f]{64}$/u),
  ]);
  expect(seen[0]).not.toBe(seen[1]);
});

test("the given password is used, and a registry that refuses it is asked by the tool", async () => {
  const closed = await startRegistry({ auth: login });
  try {
    await makeImages(closed);
    const image = `${closed.host}/busybox:1`;
    const bob = { registry: closed.host, ...login };
    expect(await quick(image, bob)).toEqual(await byTool(image, bob));
    expect(await quick(image)).toBeUndefined();
    expect(await quick(image, { ...bob, password: "guess" })).toBeUndefined();
    expect(await quick(image, { ...bob, registry: "other.example" })).toBeUndefined();
  } finally {
    await closed.close();
  }
});

test.each([
  ["anonymously", undefined],
  ["with a password", login],
])("a token is fetched %s, as the tool does", async (_, known) => {
  const tokens = await startTokenServer(known);
  const closed = await startRegistry({ token: tokens.options, directory: open.directory });
  try {
    const image = `${closed.host}/busybox:1`;
    const auth = known === undefined ? [] : [{ registry: closed.host, ...known }];
    const answer = await quick(image, ...auth);
    expect(answer).toEqual(await byTool(image, ...auth));
    expect(await quick(`${closed.host}/nothing:1`, ...auth)).toBeUndefined();
    if (known !== undefined) expect(await quick(image)).toBeUndefined();
  } finally {
    await closed.close();
    await tokens.close();
  }
});

test("what isn't there, and what speaks HTTPS, is for the tool", async () => {
  expect(await quick(`${open.host}/busybox:9`)).toBeUndefined();
  expect(await quick("127.0.0.1:9/app:1")).toBeUndefined();
  const secure = await startRegistry({ tls: true, directory: open.directory });
  try {
    expect(await quick(`${secure.host}/busybox:1`)).toBeUndefined();
    expect(await byTool(`${secure.host}/busybox:1`)).toEqual(await quick(`${open.host}/busybox:1`));
  } finally {
    await secure.close();
  }
});

test("a mirror, or anything else that the machine is configured with, is for the tool", async () => {
  const image = `${open.host}/busybox:1`;
  expect(await quick(image)).toBeDefined();
  await mkdir(join(home, ".config/containers"), { recursive: true });
  const file = join(home, ".config/containers/registries.conf");
  await writeFile(file, `[[registry]]\nlocation = "${open.host}"\nblocked = true\n`);
  expect(await quick(image)).toBeUndefined();
  await expect(byTool(image)).rejects.toThrow("blocked");
});

test("credentials that the machine has for the registry are for the tool, those for others don't matter", async () => {
  const image = `${open.host}/busybox:1`;
  const auth = Buffer.from("alice:x").toString("base64");
  await writeFile(join(home, "config.json"), JSON.stringify({ auths: { "quay.io": { auth } } }));
  expect(await quick(image)).toBeDefined();
  await writeFile(join(home, "config.json"), JSON.stringify({ auths: { [open.host]: { auth } } }));
  expect(await quick(image)).toBeUndefined();
  expect(await quick(image, { registry: open.host, ...login })).toBeUndefined();
});

test("a registry elsewhere is never asked in this process", async () => {
  expect(await quick("198.18.0.1:5000/app:1")).toBeUndefined();
  expect(await quick("registry.invalid/app:1")).toBeUndefined();
});
