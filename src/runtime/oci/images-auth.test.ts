import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { authKey, authsFor } from "../registry/auths.ts";
import { mayHaveMachineAuth, withAuthFile } from "./images-auth.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-auth-"));
  for (const name of ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"]) vi.stubEnv(name, join(dir, name));
  vi.stubEnv("REGISTRY_AUTH_FILE", join(dir, "machine.json"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

test.each([
  ["gcr.io", "gcr.io"],
  ["https://gcr.io", "gcr.io"],
  ["http://127.0.0.1:5000/v2/", "127.0.0.1:5000"],
  ["https://index.docker.io/v1/", "docker.io"],
  ["registry-1.docker.io", "docker.io"],
  ["gcr.io/project/", "gcr.io/project"],
])("authKey() reads %s as %s", (written, key) => {
  expect(authKey(written)).toBe(key);
});

test("authsFor() gives the credentials of the registry or of a path that starts the name, the more exact first", () => {
  const auth = ["gcr.io", "gcr.io/team", "gcr.io/te", "quay.io", "gcr.io.evil"].map((registry) => ({
    registry,
    username: registry,
    password: "x",
  }));
  expect(authsFor("gcr.io/team/app", auth).map(({ registry }) => registry)).toEqual(["gcr.io/team", "gcr.io"]);
});

test("withAuthFile() gives a private file with the machine's credentials and these over them, and removes it", async () => {
  await writeFile(
    join(dir, "machine.json"),
    JSON.stringify({
      auths: { "gcr.io": { auth: "old" }, "quay.io": { auth: "kept" } },
      credHelpers: { "ecr.io": "ecr" },
    }),
  );
  const auth = { registry: "https://gcr.io", username: "bob", password: "pä:ss" };
  const seen = await withAuthFile(dir, auth, async (file) => {
    expect((await stat(file ?? "")).mode & 0o777).toBe(0o600);
    return JSON.parse(await readFile(file ?? "", "utf8")) as unknown;
  });
  expect(seen).toEqual({
    auths: { "gcr.io": { auth: Buffer.from("bob:pä:ss").toString("base64") }, "quay.io": { auth: "kept" } },
    credHelpers: { "ecr.io": "ecr" },
  });
  expect(await readdir(dir)).toEqual(["machine.json"]);
});

test("withAuthFile() removes the file when the use of it fails, and makes none without credentials", async () => {
  const auth = { registry: "gcr.io", username: "bob", password: "x" };
  await expect(withAuthFile(dir, auth, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await readdir(dir)).toEqual([]);
  expect(await withAuthFile(dir, undefined, (file) => Promise.resolve(file))).toBeUndefined();
});

test.each([
  ["nothing", "{}", false],
  ["other registries", '{"auths":{"127.0.0.1:50001":{},"quay.io":{"auth":"x"}}}', false],
  ["the registry", '{"auths":{"http://127.0.0.1:5000/v2/":{"auth":"x"}}}', true],
  ["a part of it", '{"auths":{"127.0.0.1:5000/team":{"auth":"x"}}}', true],
  ["a helper", '{"auths":{},"credHelpers":{"quay.io":"x"}}', true],
  ["what it can't read", "{", true],
  ["what isn't one", "null", true],
])("mayHaveMachineAuth() with a file of %s", async (_, text, expected) => {
  vi.stubEnv("HOME", dir);
  await writeFile(join(dir, "machine.json"), text);
  expect(await mayHaveMachineAuth("127.0.0.1:5000")).toBe(expected);
});

test("mayHaveMachineAuth() knows the oldest place too", async () => {
  vi.stubEnv("HOME", dir);
  expect(await mayHaveMachineAuth("127.0.0.1:5000")).toBe(false);
  await writeFile(join(dir, ".dockercfg"), '{"127.0.0.1:5000":{"auth":"x"}}');
  expect(await mayHaveMachineAuth("127.0.0.1:5000")).toBe(true);
});
