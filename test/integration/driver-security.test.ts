/** What a hostile image can try: each is denied, or bounded. */
import { chmod, cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InstanceSpec } from "../../src/runtime/workloads.ts";
import {
  busyboxRoot,
  type DriverBed,
  driverBed,
  eventually,
  instanceSpec,
  logOf,
  shellSpec,
  untilReady,
} from "../support/driver.ts";

let bed: DriverBed;
let last = 0;
const newKey = () => ({ namespace: "default", name: `evil-${String(++last).padStart(5, "0")}` });
const pids = 40;
beforeAll(async () => {
  bed = await driverBed({ limits: { pids, logBytes: 200_000 } });
  const root = join(bed.dir, "images/evil");
  await busyboxRoot(root);
  await mkdir(join(root, "suid"));
  await cp(join(root, "bin/busybox"), join(root, "suid/busybox"));
  await chmod(join(root, "suid/busybox"), 0o4755);
  bed.image("evil", { layers: [root] });
});
afterAll(() => bed.close());

/** What a script printed until it said `done`. */
async function printed(script: string, more: Partial<InstanceSpec> = {}): Promise<string> {
  const key = newKey();
  const spec = shellSpec(`exec 2>&1; ${script}\necho done; sleep 1000`, {
    image: "evil",
    terminationGraceMs: 0,
    ...more,
  });
  bed.driver.scale(key, spec, 1);
  const { instances } = await eventually(bed.driver, key, (state) => state.instances[0]?.phase === "starting");
  const id = instances[0]?.id ?? "";
  let text = "";
  await expect.poll(async () => (text = await logOf(bed.driver, id))).toContain("done\n");
  bed.driver.remove(key);
  await eventually(bed.driver, key, (state) => state.instances.length === 0);
  return text;
}

const denied = /not permitted|denied|Read-only|can't|No such/;

test.each([
  ["mount", "mount -t tmpfs none /tmp"],
  ["bind mount", "mount -o bind /bin /tmp"],
  ["umount of a masked path", "umount /proc/kcore"],
  ["mknod of a disk", "mknod /tmp/disk b 8 0"],
  ["writing /proc/sys", "echo 1 > /proc/sys/kernel/panic"],
  ["writing /proc/sysrq-trigger", "echo h > /proc/sysrq-trigger"],
  ["writing /sys", "echo 1 > /sys/kernel/profiling"],
  ["writing control groups", "mkdir /sys/fs/cgroup/memory/x"],
  ["writing beside control groups", "mkdir /sys/fs/cgroup/x"],
  ["raw sockets", "ping -c 1 -W 1 127.0.0.1"],
  ["setting an address", "ip addr add 10.9.9.9/8 dev lo"],
  ["setting the host's name", "hostname owned"],
  ["setting the clock", "date -s 2001-01-01; test $(date +%Y) = 2001"],
  ["mknod of a disk in a user namespace", "unshare -Ur mknod /tmp/disk b 8 0"],
  ["mounting a disk in a user namespace", "mknod /tmp/d b 254 0; unshare -Urm mount -t ext4 /tmp/d /mnt"],
  ["/proc without its masks in a user namespace", "unshare -Urmpf mount -t proc proc /proc"],
  ["entering the machine's namespaces", "nsenter -t 1 -m -- ls /work"],
  ["loading modules", "insmod /bin/busybox"],
  ["rebooting", "reboot -f"],
  ["reading kernel memory", "head -c 1 /proc/kcore | grep . "],
  ["opening kernel messages", "dmesg -c"],
])("%s is denied", async (_, command) => {
  const text = await printed(`if ${command}; then echo HAPPENED; fi`);
  expect(text).not.toContain("HAPPENED");
  expect(text.replace("done\n", "") === "" || denied.test(text), text).toBe(true);
});

test("capabilities, privileges and the filter are what they should be", async () => {
  const text = await printed("grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status");
  const value = (name: string) => Number.parseInt(new RegExp(`${name}:\\s+(\\w+)`).exec(text)?.[1] ?? "", 16);
  expect(value("NoNewPrivs")).toBe(1);
  expect(value("Seccomp")).toBe(2);
  // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP
  const allowed = [0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31].reduce((sum, bit) => sum + 2 ** bit, 0);
  expect(value("CapBnd")).toBe(allowed);
  expect(value("CapEff")).toBe(allowed);
  expect(value("CapInh")).toBe(0);
  expect(value("CapAmb")).toBe(0);
  const none = await printed("grep CapBnd /proc/self/status", {
    security: { ...instanceSpec().security, dropCapabilities: ["ALL"] },
  });
  expect(none).toContain("CapBnd:\t0000000000000000");
});

test("a set-user-id program gives no rights", async () => {
  const security = { ...instanceSpec().security, runAsUser: 1000 };
  expect(await printed("stat -c %a /suid/busybox; /suid/busybox id -u", { security })).toBe("4755\n1000\ndone\n");
});

test("it sees its own processes, mounts and network only", async () => {
  const neighbour = newKey();
  bed.driver.scale(neighbour, instanceSpec(), 1);
  const [other] = await untilReady(bed.driver, neighbour);
  const text = await printed(
    `ls /proc | grep -c '^[0-9]'; cat /proc/1/cmdline | tr '\\0' ' '; echo; ls /sys/class/net; cat /proc/self/cgroup; nc -w 2 ${other?.address?.host} 8080 < /dev/null && echo REACH"ED"`,
  );
  expect(Number(text.split("\n")[0])).toBeLessThan(6);
  expect(text).not.toContain("REACHED");
  expect(text).not.toContain(other?.id);
  expect(text).toMatch(/eth0\nlo\n/);
  // With its own control group namespace it doesn't see where it lies.
  expect(text).not.toContain("elafros-");
  bed.driver.remove(neighbour);
});

test("a fork bomb stops at the limit, and can be removed", async () => {
  const key = newKey();
  const script = "i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done; echo all; wait";
  bed.driver.scale(key, shellSpec(script, { image: "evil", terminationGraceMs: 0 }), 1);
  const { instances } = await eventually(bed.driver, key, (state) => state.instances[0]?.lastExit !== undefined);
  expect(await logOf(bed.driver, instances[0]?.id ?? "")).not.toContain("all");
  expect(instances[0]?.lastExit?.message).toMatch(/fork/);
  bed.driver.remove(key);
  await eventually(bed.driver, key, (state) => state.instances.length === 0);
});

test("a flood of output is bounded on disk, and its end can be read", async () => {
  const key = newKey();
  const script =
    "trap 'exit 0' TERM; yes 0123456789012345678901234567890123456789 | head -c 20500000; echo the end; httpd -f -p 8080 -h / & wait";
  bed.driver.scale(key, shellSpec(script, { image: "evil" }), 1);
  const [instance] = await untilReady(bed.driver, key);
  const id = instance?.id ?? "";
  const { signal } = new AbortController();
  const lines: string[] = [];
  for await (const line of bed.driver.logs(id, {
    follow: false,
    tailLines: 2,
    timestamps: false,
    previous: false,
    signal,
  })) {
    lines.push(line);
  }
  expect(lines).toEqual(["0123456789012345678901234567890123456789\n", "the end\n"]);
  expect((await logOf(bed.driver, id)).length).toBeLessThan(200_000);
  bed.driver.remove(key);
});

test("a mount's target in the image that is a link leads nowhere outside", async () => {
  const root = join(bed.dir, "images/targets");
  await busyboxRoot(root);
  const outside = join(bed.dir, "outside");
  await writeFile(outside, "the machine's\n");
  await rm(join(root, "etc/passwd"));
  await symlink(outside, join(root, "etc/passwd"));
  await symlink(outside, join(root, "mounted"));
  bed.image("targets", { layers: [root], user: "0" });
  const source = {
    type: "files" as const,
    files: [{ path: "f", data: Buffer.from("ours\n").toString("base64"), mode: 0o644 }],
  };
  const mounts = [{ mountPath: "/mounted", readOnly: true, volume: "v", subPath: "f", source }];
  expect(await printed("cat /mounted; cat /etc/passwd", { image: "targets", mounts })).not.toContain("the machine's");
  expect(await readFile(outside, "utf8")).toBe("the machine's\n");
});

test("a link that it leaves in a volume isn't followed by the next run", async () => {
  const key = newKey();
  const source = { type: "emptyDir" as const, medium: "" as const };
  const mounts = [
    { mountPath: "/v", readOnly: false, volume: "v", source },
    { mountPath: "/sub", readOnly: false, volume: "v", subPath: "sub", source },
  ];
  const script = "rmdir /v/sub || mv /v/sub /v/old; ln -s /etc /v/sub; exit 1";
  bed.driver.scale(key, shellSpec(script, { image: "evil", mounts }), 1);
  const { problem } = await eventually(bed.driver, key, (state) => state.problem?.reason === "StartFailed");
  expect(problem?.message).toContain('"sub" is a symbolic link');
  bed.driver.remove(key);
});

test.each(["SYS_ADMIN", "NET_ADMIN", "NET_RAW"])("capability %s can't be had by asking", async (name) => {
  const key = newKey();
  const security = { ...instanceSpec().security, addCapabilities: [name] };
  bed.driver.scale(key, instanceSpec({ security }), 1);
  const { problem } = await eventually(bed.driver, key, (state) => state.problem !== undefined);
  expect(problem).toMatchObject({ reason: "StartFailed", message: expect.stringContaining(name) });
  bed.driver.remove(key);
});
