/** What a build's last container does on a cluster, on real registries: the image that the steps have left is pushed, by the build's credentials alone. */
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { takeImage } from "../../src/kubernetes/builds/result/take.ts";
import { createClusterImages } from "../../src/kubernetes/images/port.ts";
import { writeLayout } from "../support/layout.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { startTokenServer, type TokenServer } from "../support/token-server.ts";

const user = { username: "someone", password: "s3:cret" };
let dir: string;
let open: TestRegistry;
let basic: TestRegistry;
let bearer: TestRegistry;
let tokens: TokenServer;
let manifestDigest: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-take-"));
  tokens = await startTokenServer(user);
  [open, basic, bearer] = await Promise.all([
    startRegistry(),
    startRegistry({ auth: user }),
    startRegistry({ token: tokens.options }),
  ]);
  manifestDigest = await writeLayout(join(dir, "image"));
});
afterAll(async () => {
  await Promise.all([open, basic, bearer, tokens].map((one) => one.close()));
  await rm(dir, { recursive: true });
});

const places = () => ({ layout: join(dir, "image"), digest: join(dir, "image-digest") });
const take = async (
  image: string | undefined,
  auths: { registry: string; username: string; password: string }[] = [],
) => {
  const said: string[] = [];
  const request = { registryAuths: auths, ...(image === undefined ? {} : { image }) };
  return { result: await takeImage(request, places(), (line) => said.push(line)), said };
};

test.each([
  ["that wants no user", () => ({ host: open.host, auths: [] })],
  ["that wants a password", () => ({ host: basic.host, auths: [{ registry: basic.host, ...user }] })],
  ["that wants a token", () => ({ host: bearer.host, auths: [{ registry: bearer.host, ...user }] })],
])("an image is pushed to a registry %s, and what is there isn't sent again", async (_, where) => {
  const { host, auths } = where();
  const name = `${host}/team/app`;
  const first = await take(`${name}:1`, auths);
  expect(first.result).toEqual({ image: `${name}@${manifestDigest}` });
  expect(first.said[0]).toMatch(/: 2 parts of 3\.?\d* MiB were sent, 0 were there$/u);
  const second = await take(`${name}:2`, auths);
  expect(second.said[0]).toMatch(/: 0 parts of 0 bytes were sent/u);
  expect(await createClusterImages().resolve(`${name}:2`, auths, "Always")).toBe(`${name}@${manifestDigest}`);
});

test("a registry that refuses tells why, and as whom it was asked", async () => {
  const wrong = [{ registry: basic.host, ...user, password: "wrong" }];
  expect((await take(`${basic.host}/app`, wrong)).result).toEqual({
    failure: {
      reason: "PushFailed",
      message: `Cannot push image "${basic.host}/app": the registry answered with status 401 (Unauthorized) (asked http://${basic.host}/v2/app as user "someone")`,
    },
  });
  expect((await take(`${basic.host}/app`)).result).toMatchObject({
    failure: { message: expect.stringMatching(/anonymously\); give the Build's service account a Secret/u) },
  });
  expect((await take("127.0.0.1:1/app")).result).toMatchObject({
    failure: { reason: "PushFailed", message: expect.stringMatching(/can't be reached at .*ECONNREFUSED/u) },
  });
});

test("what a step has pushed itself is found by its tag, or by the digest that it wrote down", async () => {
  const name = `${open.host}/pushed/app`;
  await take(`${name}:1`);
  const none = { layout: join(dir, "none"), digest: join(dir, "digest") };
  const found = await takeImage({ image: `${name}:1`, registryAuths: [] }, none, () => {});
  expect(found).toEqual({ image: `${name}@${manifestDigest}` });
  await writeFile(none.digest, `${name}@sha256:${"1".repeat(64)}\n`);
  expect(await takeImage({ image: `${name}:1`, registryAuths: [] }, none, () => {})).toEqual({
    image: `${name}@sha256:${"1".repeat(64)}`,
  });
  await rm(none.digest);
  // A link may lead to what only this container may read.
  await writeFile(join(dir, "token"), "secret");
  await symlink(join(dir, "token"), none.digest);
  expect(await takeImage({ image: `${name}:1`, registryAuths: [] }, none, () => {})).toEqual(found);
  await rm(none.digest);
  expect(await takeImage({ image: `${name}:2`, registryAuths: [] }, none, () => {})).toMatchObject({
    failure: { reason: "ImageMissing", message: expect.stringContaining("manifest unknown") },
  });
  expect(await takeImage({ image: "localhost/app", registryAuths: [] }, none, () => {})).toMatchObject({
    failure: { reason: "ImageMissing", message: expect.stringContaining("which has no registry") },
  });
  expect(await takeImage({ registryAuths: [] }, none, () => {})).toEqual({});
  expect((await take(undefined)).result).toMatchObject({ failure: { reason: "ImageMissing" } });
});
