/** What both sides of the images port promise, on real registries. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createClusterImages } from "../../src/kubernetes/images/port.ts";
import { silentLog } from "../../src/lib/log.ts";
import type { ImagesPort } from "../../src/runtime/images.ts";
import { createImageStore } from "../../src/runtime/oci/images.ts";
import { makeImages } from "../support/images.ts";
import { manualClock } from "../support/manual-clock.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { startTokenServer, type TokenServer } from "../support/token-server.ts";

const run = promisify(execFile);
const user = { username: "someone", password: "s3:cret" };
let dir: string;
let open: TestRegistry;
let basic: TestRegistry;
let tokens: TokenServer;
let bearer: TestRegistry;
let image: string;

const sides: [string, () => Promise<ImagesPort>][] = [
  [
    "on this machine",
    () =>
      createImageStore({
        images: join(dir, "images"),
        runRoot: join(dir, "run"),
        log: silentLog,
        clock: manualClock(),
      }),
  ],
  ["on Kubernetes", () => Promise.resolve(createClusterImages())],
];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-contract-"));
  const conf = `[storage]\ndriver = "overlay"\ngraphroot = "${dir}/machine"\nrunroot = "${dir}/machine-run"\n[storage.options.overlay]\nskip_mount_home = "true"\n`;
  await writeFile(join(dir, "machine.conf"), conf);
  await writeFile(join(dir, "auth.json"), "{}");
  vi.stubEnv("CONTAINERS_STORAGE_CONF", join(dir, "machine.conf"));
  vi.stubEnv("REGISTRY_AUTH_FILE", join(dir, "auth.json"));
  tokens = await startTokenServer(user);
  [open, basic, bearer] = await Promise.all([
    startRegistry(),
    startRegistry({ auth: user }),
    startRegistry({ token: tokens.options }),
  ]);
  image = (await makeImages(open))["busybox:1"];
  for (const { host } of [basic, bearer]) {
    const login = ["--dest-creds", `${user.username}:${user.password}`];
    const source = ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", ...login, `docker://${image}`];
    await run("skopeo", [...source, `docker://${host}/secret:1`]);
  }
});
afterAll(async () => {
  await Promise.all([open, basic, bearer, tokens].map((one) => one.close()));
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

describe.each(sides)("images %s", (_, start) => {
  let images: ImagesPort;
  beforeAll(async () => {
    images = await start();
  });
  const failure = (work: Promise<unknown>) => work.then(String, (error: Error) => `${error.name}: ${error.message}`);

  test("resolve() gives the exact image of a tag, and of an exact image itself", async () => {
    const exact = await images.resolve(image, [], "IfNotPresent");
    const { stdout } = await run("skopeo", [
      "inspect",
      "--tls-verify=false",
      "--format",
      "{{.Digest}}",
      `docker://${image}`,
    ]);
    expect(exact).toBe(`${image.slice(0, image.lastIndexOf(":"))}@${stdout.trim()}`);
    expect(await images.resolve(exact, [], "Always")).toBe(exact);
  });

  test.each([
    ["a password", () => basic.host],
    ["a token", () => bearer.host],
  ])("resolve() shows credentials to a registry that asks for %s", async (__, host) => {
    const reference = `${host()}/secret:1`;
    expect(await images.resolve(reference, [{ registry: host(), ...user }], "Always")).toContain(
      `${host()}/secret@sha256:`,
    );
    const wrong = [{ registry: host(), ...user, password: "wrong" }];
    expect(await failure(images.resolve(reference, wrong, "Always"))).toMatch(
      /^ImageError: (?=.*unauthorized|.*authentication|.*401)(?=.*as user "someone"\))/isu,
    );
    expect(await failure(images.resolve(reference, [], "Always"))).toMatch(/^ImageError: .*anonymously\)$/su);
  });

  test("resolve() says what isn't there, and where it was asked for", async () => {
    const message = await failure(images.resolve(`${open.host}/nothing:1`, [], "Always"));
    expect(message).toMatch(/^ImageError: .*manifest unknown/su);
    expect(message).toContain(`(asked http://${open.host}/v2/nothing/manifests/1 anonymously)`);
  });

  test("resolve() says of a registry that isn't there what the system says", async () => {
    expect(await failure(images.resolve("127.0.0.1:1/a:1", [], "Always"))).toMatch(
      /^ImageError: .*(?:refused|ECONNREFUSED)/su,
    );
  });
});
