import { expect, test } from "vitest";
import { findCgroups } from "./cgroup.ts";
import { mountPoints } from "./rootfs.ts";

test("mountPoints() reads /proc/self/mountinfo with its escapes", () => {
  const text = [
    "36 35 98:0 /m1 /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw",
    "37 35 0:5 / /proc rw - proc proc rw",
    "",
  ].join("\n");
  expect(mountPoints(text)).toEqual(["/mnt/a b", "/proc"]);
});

const v1 = (options: string, at: string) => `1 2 0:1 / ${at} rw - cgroup cgroup rw,${options}`;

test("findCgroups() tells version 1 from 2", async () => {
  const two = await findCgroups("1 2 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate");
  expect(two.version).toBe(2);
  expect(two.all("/g/i")).toEqual(["/sys/fs/cgroup/g/i"]);
  const one = await findCgroups(
    [
      "1 2 0:1 / /sys/fs/cgroup rw - tmpfs tmpfs rw",
      v1("memory", "/sys/fs/cgroup/memory"),
      v1("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct"),
      "1 2 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    ].join("\n"),
  );
  expect(one.version).toBe(1);
  expect(one.path("cpuacct", "/g")).toBe("/sys/fs/cgroup/cpu,cpuacct/g");
  expect(one.all("/g")).toEqual([
    "/sys/fs/cgroup/memory/g",
    "/sys/fs/cgroup/cpu,cpuacct/g",
    "/sys/fs/cgroup/unified/g",
  ]);
});

test("findCgroups() says what is missing", async () => {
  await expect(findCgroups("1 2 0:1 / / rw - ext4 /dev/sda rw")).rejects.toThrow("no memory control group");
});
