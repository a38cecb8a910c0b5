import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readInside, resolveUser } from "./users.ts";

const passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n7:x:77:78::/seven:\n";
const group = "root:x:0:\nstaff:x:50:app,other\nwheel:x:10:app\napp:x:1001:\n";
const anyone = { runAsNonRoot: false };

test.each([
  { user: "", want: { uid: 0, gid: 0, additionalGids: [], home: "/root" } },
  { user: "app", want: { uid: 1000, gid: 1001, additionalGids: [50, 10], home: "/home/app" } },
  { user: "app:staff", want: { uid: 1000, gid: 50, additionalGids: [], home: "/home/app" } },
  { user: "1000", want: { uid: 1000, gid: 1001, additionalGids: [50, 10], home: "/home/app" } },
  { user: "4242:99", want: { uid: 4242, gid: 99, additionalGids: [], home: "/" } },
  { user: "4242", want: { uid: 4242, gid: 0, additionalGids: [], home: "/" } },
  { user: "7", want: { uid: 77, gid: 78, additionalGids: [], home: "/seven" } }, // a name wins over a number, as elsewhere
])("resolveUser() reads USER $user", ({ user, want }) => {
  expect(resolveUser({ user, passwd, group }, anyone)).toEqual(want);
});

test("resolveUser() lets the spec's ids win", () => {
  const got = resolveUser({ user: "app:staff", passwd, group }, { runAsUser: 5, runAsGroup: 6, runAsNonRoot: true });
  expect(got).toMatchObject({ uid: 5, gid: 6 });
});

test.each(["ghost", "-1", "4294967295", "app:ghosts", "0x0"])("resolveUser() refuses USER %s", (user) => {
  expect(() => resolveUser({ user, passwd, group }, anyone)).toThrow("Cannot find");
});

test("resolveUser() refuses root where runAsNonRoot is set, by name too", () => {
  const evil = "root:x:0:0::/:\nnobody:x:0:0::/:\n";
  for (const user of ["", "0", "nobody"]) {
    expect(() => resolveUser({ user, passwd: evil, group }, { runAsNonRoot: true })).toThrow("runAsNonRoot");
  }
});

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "elafros-users-"));
  await mkdir(join(root, "rootfs/etc"), { recursive: true });
  await writeFile(join(root, "secret"), "the machine's");
});
afterEach(() => rm(root, { recursive: true, force: true }));

test.each([
  ["an absolute link", "/../../secret"],
  ["a relative link", "../../../../../../secret"],
])("readInside() keeps %s inside the root", async (_, target) => {
  const inside = join(root, "rootfs");
  await symlink(target, join(inside, "etc/passwd"));
  expect(await readInside(inside, "/etc/passwd")).toBe("");
  await writeFile(join(inside, "secret"), "the image's");
  expect(await readInside(inside, "/etc/passwd")).toBe("the image's");
});

test("readInside() follows a directory link against the root and gives up on a loop", async () => {
  const inside = join(root, "rootfs");
  await symlink("/etc", join(inside, "conf"));
  await writeFile(join(inside, "etc/passwd"), "x");
  expect(await readInside(inside, "/conf/passwd")).toBe("x");
  await symlink("/loop", join(inside, "loop"));
  expect(await readInside(inside, "/loop/passwd")).toBe("");
});

test("readInside() reads no directory and no device", async () => {
  expect(await readInside("/", "/dev/zero")).toBe("");
  expect(await readInside(join(root, "rootfs"), "/etc")).toBe("");
});
