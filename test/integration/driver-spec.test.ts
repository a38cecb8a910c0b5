import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
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
} from "../support/driver.ts";

let bed: DriverBed;
let last = 0;
const newKey = () => ({ namespace: "default", name: `spec-${String(++last).padStart(5, "0")}` });
beforeAll(async () => {
  bed = await driverBed();
});
afterAll(() => bed.close());

/** Runs a script to its end in an instance, and gives what it printed. */
async function printed(script: string, more: Partial<InstanceSpec> = {}): Promise<string> {
  const key = newKey();
  bed.driver.scale(key, shellSpec(`${script}; echo done; sleep 1000`, { terminationGraceMs: 0, ...more }), 1);
  let text = "";
  const deadline = Date.now() + 60_000;
  while (!text.includes("done\n")) {
    const state = bed.driver.get(key);
    if (state?.problem !== undefined) throw new Error(JSON.stringify(state.problem));
    if (Date.now() > deadline) throw new Error(`The script never ended: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
    const [instance] = state?.instances ?? [];
    if (instance !== undefined) text = await logOf(bed.driver, instance.id);
  }
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
  return text.replace(/done\n$/, "");
}

/** Why a spec doesn't start. */
async function refusal(spec: InstanceSpec): Promise<string> {
  const key = newKey();
  bed.driver.scale(key, spec, 1);
  const { problem } = await eventually(bed.driver, key, (state) => state.problem !== undefined);
  bed.driver.remove(key);
  expect(problem?.reason).toBe("StartFailed");
  return problem?.message ?? "";
}

test("environment: the image's, then the spec's, with HOME and HOSTNAME of its own", async () => {
  bed.image("env", { env: ["PATH=/bin", "A=image", "B=image"] });
  const text = await printed("env | sort", { image: "env", env: [{ name: "B", value: 'spec = "1"\n2' }] });
  expect(text).toMatch(
    /^2\nA=image\nB=spec = "1"\nHOME=\/root\nHOSTNAME=spec-\d+-[a-z0-9]{8}\nPATH=\/bin\nPWD=\/\nSHLVL=1\n$/,
  );
});

test("command and args follow Kubernetes' rules", async () => {
  bed.image("both", { entrypoint: ["/bin/sh", "-c", 'echo "entry $0 $*"; sleep 1000'], cmd: ["x", "from-image"] });
  const start = async (more: Partial<InstanceSpec>) => {
    const key = newKey();
    bed.driver.scale(key, instanceSpec({ image: "both", terminationGraceMs: 0, ...more }), 1);
    let text = "";
    await expect
      .poll(async () => {
        const [instance] = bed.driver.get(key)?.instances ?? [];
        return (text = instance === undefined ? "" : await logOf(bed.driver, instance.id));
      })
      .not.toBe("");
    bed.driver.remove(key);
    return text;
  };
  expect(await start({})).toBe("entry x from-image\n");
  expect(await start({ args: ["y", "from-spec"] })).toBe("entry y from-spec\n");
  expect(await start({ command: ["/bin/sh", "-c", "echo own; sleep 1000"] })).toBe("own\n");
});

test("user: the image's USER by name with its groups, and the spec's over it", async () => {
  bed.image("user", { user: "app" });
  expect(await printed("id -u; id -g; echo $HOME", { image: "user" })).toBe("1000\n1000\n/home/app\n");
  const security = { ...instanceSpec().security, runAsUser: 12, runAsGroup: 34 };
  expect(await printed("id -u; id -g", { image: "user", security })).toBe("12\n34\n");
  const nonRoot = { ...instanceSpec().security, runAsNonRoot: true };
  expect(await printed("id -u", { image: "user", security: nonRoot })).toBe("1000\n");
  expect(await refusal(instanceSpec({ security: nonRoot }))).toContain("runAsNonRoot");
  bed.image("ghost", { user: "ghost" });
  expect(await refusal(instanceSpec({ image: "ghost" }))).toContain('Cannot find user "ghost"');
});

test("workingDir is made, and the root can be read-only", async () => {
  expect(await printed("pwd", { workingDir: "/made/for/this" })).toBe("/made/for/this\n");
  const security = { ...instanceSpec().security, readOnlyRootFilesystem: true };
  const text = await printed("touch /x; touch /dev/shm/y && echo shm", { security });
  expect(text).toContain("Read-only file system");
  expect(text).toContain("shm");
});

test("files of a volume have their content and mode, can't be written, and come by subPath too", async () => {
  const data = (text: string) => Buffer.from(text).toString("base64");
  const source = {
    type: "files" as const,
    files: [
      { path: "password", data: data("s3cret"), mode: 0o400 },
      { path: "deep/er/key", data: data("k"), mode: 0o644 },
    ],
  };
  const text = await printed(
    "cat /s/password /s/deep/er/key /one; echo; stat -c %a /s/password /s/deep/er/key /s; echo x > /s/password; rm /s/password",
    {
      mounts: [
        { mountPath: "/s", readOnly: false, volume: "secret", source },
        { mountPath: "/one", readOnly: true, volume: "secret", subPath: "password", source },
      ],
    },
  );
  expect(text).toContain("s3cretks3cret\n400\n644\n755\n");
  expect(text.match(/Read-only file system/g)).toHaveLength(2);
});

test("emptyDir is shared by its mounts and survives a restart; in memory it has its size", async () => {
  const disk = { type: "emptyDir" as const, medium: "" as const };
  const memory = { type: "emptyDir" as const, medium: "Memory" as const, sizeLimitBytes: 1 << 20 };
  const mounts = [
    { mountPath: "/a", readOnly: false, volume: "d", source: disk },
    { mountPath: "/b", readOnly: true, volume: "d", source: disk },
    { mountPath: "/c", readOnly: false, volume: "d", subPath: "sub/dir", source: disk },
    { mountPath: "/m", readOnly: false, volume: "m", source: memory },
  ];
  const text = await printed(
    "exec 2>&1; echo 1 > /a/x; cat /b/x; touch /c/y; ls /a/sub/dir; touch /b/z; head -c 2000000 /dev/zero > /m/big; stat -c %s /m/big",
    { mounts },
  );
  expect(text).toContain("1\ny\n");
  expect(text).toContain("/b/z: Read-only file system");
  expect(text).toContain("head: standard output: I/O error\n1048576\n");
});

test.each(["../x", "/etc", "a/../../x"])("subPath %s is refused", async (subPath) => {
  const source = { type: "emptyDir" as const, medium: "" as const };
  const mounts = [{ mountPath: "/a", readOnly: false, volume: "d", subPath, source }];
  expect(await refusal(instanceSpec({ mounts }))).toContain(`Cannot use subPath "${subPath}"`);
});

test("a file of a volume can't be put outside it", async () => {
  const source = { type: "files" as const, files: [{ path: "../../x", data: "", mode: 0o644 }] };
  const mounts = [{ mountPath: "/a", readOnly: false, volume: "d", source }];
  expect(await refusal(instanceSpec({ mounts }))).toContain('Cannot use volume file "../../x"');
});

test("/etc/hosts, /etc/hostname and /etc/resolv.conf are the platform's, whatever the image has there", async () => {
  const root = join(bed.dir, "images/links");
  await busyboxRoot(root);
  await writeFile(join(root, "etc/hosts"), "6.6.6.6 localhost\n");
  await rm(join(root, "etc/resolv.conf"), { force: true });
  await symlink("../../../../../../var/tmp/elafros-link-target", join(root, "etc/resolv.conf"));
  bed.image("links", { layers: [root] });
  const text = await printed("cat /etc/hosts /etc/hostname; hostname; cat /etc/resolv.conf", { image: "links" });
  expect(text).toMatch(/127.0.0.1\tlocalhost/);
  expect(text).toMatch(/\n(spec-\d+-[a-z0-9]+)\n\1\nnameserver 10\./);
  expect(text).not.toContain("6.6.6.6");
});

test("layers are stacked, many of them, with odd names, and stay as they are", async () => {
  const base = join(bed.dir, "images/busybox");
  const layers: string[] = [];
  for (let number = 0; number < 60; number++) {
    const layer = join(bed.dir, `images/odd:na,me ${"x".repeat(60)}${number}`);
    await mkdir(layer);
    await writeFile(join(layer, "which"), `${number}\n`);
    await writeFile(join(layer, `only-${number}`), "");
    layers.push(layer);
  }
  bed.image("layers", { layers: [...layers, base] });
  const text = await printed("cat /which; ls / | grep -c only; echo changed > /which; rm /only-3", { image: "layers" });
  expect(text).toBe("0\n60\n");
  expect(await printed("cat /which; ls / | grep -c only", { image: "layers" })).toBe("0\n60\n");
});

test("cpu, memory and pids are limited", async () => {
  const text = await printed("cat /proc/self/limits | grep -E 'open files|core'; cat /proc/self/oom_score_adj; nproc", {
    resources: { cpuMilli: 250, memoryBytes: 64 << 20 },
  });
  expect(text).toMatch(/Max core file size +0 +0/);
  expect(text).toContain("\n500\n");
  const shown = await printed("cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null", {
    resources: { memoryBytes: 64 << 20 },
  });
  expect(shown).toBe(`${64 << 20}\n`);
});

/** A program of the i386 ABI (elf(5)) that ends with 42. */
function elf32(): Buffer {
  const code = Buffer.from("b801000000bb2a000000cd80", "hex"); // mov eax, 1 (exit); mov ebx, 42; int 0x80
  const [header, base] = [52 + 32, 0x08048000];
  const file = Buffer.alloc(header + code.length);
  Buffer.from("7f454c46010101", "hex").copy(file); // 32 bits, little endian, version 1
  [2, 3].forEach((value, at) => file.writeUInt16LE(value, 16 + 2 * at)); // an executable, of the i386
  [1, base + header, 52, 0, 0].forEach((value, at) => file.writeUInt32LE(value, 20 + 4 * at));
  [52, 32, 1].forEach((value, at) => file.writeUInt16LE(value, 40 + 2 * at));
  [1, 0, base, base, file.length, file.length, 5, 4096].forEach((value, at) => file.writeUInt32LE(value, 52 + 4 * at));
  code.copy(file, header);
  return file;
}

test.runIf(process.arch === "x64")(
  "32-bit programs run where the image has such, and are ended where not",
  async () => {
    const root = join(bed.dir, "i386");
    await busyboxRoot(root);
    await writeFile(join(root, "bin/old"), elf32(), { mode: 0o755 });
    const loader = join(bed.dir, "loader");
    await mkdir(join(loader, "lib"), { recursive: true });
    await writeFile(join(loader, "lib/ld-linux.so.2"), "a loader");
    bed.image("without", { layers: [root] });
    bed.image("with", { layers: [loader, root] });
    bed.image("itself", { layers: [root], entrypoint: ["/bin/old"], cmd: [] });
    expect(await printed("/bin/old; echo $?", { image: "without" })).toContain("159\n"); // 128 and SIGSYS
    expect(await printed("/bin/old; echo $?", { image: "with" })).toBe("42\n");
    const key = newKey();
    const { command: _command, args: _args, ...spec } = shellSpec("");
    bed.driver.scale(key, { ...spec, image: "itself" }, 1);
    const { problem } = await eventually(bed.driver, key, (state) => state.problem !== undefined);
    bed.driver.remove(key);
    expect(problem).toMatchObject({ reason: "ExitCode", code: 42 });
  },
);
