import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { doctor, findProgram } from "./doctor.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-doctor-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

const finding = async (check: string, options?: Parameters<typeof doctor>[0]) =>
  (await doctor(options)).find((each) => each.check === check);

/** Where a distribution keeps all programs in one directory, that one is always looked at. */
const apart = test.skipIf(existsSync("/usr/sbin/conmon"));

apart("doctor() names what is missing, what it is for, and the command that installs it", async () => {
  vi.stubEnv("PATH", dir);
  expect(await finding("conmon")).toMatchObject({
    ok: false,
    required: true,
    message: "not found: it monitors each container",
    fix: expect.stringMatching(/^(apt-get install -y --no-install-recommends|dnf install -y) conmon$/),
  });
  expect(await finding("setpriv")).toMatchObject({ ok: false, required: false });
});

apart("doctor() asks for what builds need, and lets a machine without it run images that are there", async () => {
  vi.stubEnv("PATH", dir);
  for (const [program, fix] of [
    ["buildah", /install -y (.* )?buildah$/],
    ["git", /install -y (.* )?git$/],
    ["ssh", /install -y (.* )?openssh-clients?$/],
  ] as const)
    expect(await finding(program)).toMatchObject({
      ok: false,
      required: false,
      message: expect.stringMatching(/^not found: it .*; without it, nothing .*$/),
      fix: expect.stringMatching(fix),
    });
});

test.each([
  { printed: "buildah version 1.26.4 (image-spec 1.0.2, runtime-spec 1.0.2-dev)", ok: false },
  { printed: "buildah version 1.27.0 (image-spec 1.0.2, runtime-spec 1.0.2-dev)", ok: true },
  { printed: "buildah version 2.0.0-dev", ok: true },
  { printed: "", ok: false },
])("doctor() takes a buildah of 1.27 or newer: $printed", async ({ printed, ok }) => {
  vi.stubEnv("PATH", dir);
  await writeFile(join(dir, "buildah"), `#!/bin/sh\necho '${printed}'\n`, { mode: 0o755 });
  expect(await finding("buildah")).toMatchObject({ ok, required: false, message: expect.stringContaining("1.27") });
});

test("doctor() is content with the second of two programs", async () => {
  vi.stubEnv("PATH", dir);
  await writeFile(join(dir, "runc"), "", { mode: 0o755 });
  const path = (await findProgram("crun")) ?? join(dir, "runc");
  expect(await finding("crun or runc")).toEqual({ check: "crun or runc", ok: true, required: true, message: path });
});

test("findProgram() takes no file that can't be run", async () => {
  vi.stubEnv("PATH", dir);
  await writeFile(join(dir, "elafros-tool"), "", { mode: 0o644 });
  expect(await findProgram("elafros-tool")).toBeUndefined();
});

test("doctor() tells whether a port is free", async () => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await finding(`port ${address}`, { ports: [address] })).toMatchObject({
    ok: false,
    required: true,
    message: "in use by another process",
    fix: "choose another with --api or --http",
  });
  await new Promise((closed) => server.close(closed));
  expect(await finding(`port ${address}`, { ports: [address] })).toMatchObject({ ok: true });
});

test("doctor() looks at the disk of a directory that isn't there yet", async () => {
  const dataDir = join(dir, "a/b/c");
  expect(await finding(`disk of ${dataDir}`, { dataDir })).toMatchObject({
    required: false,
    message: expect.stringMatching(/^\d+\.\d GiB free/),
  });
});
