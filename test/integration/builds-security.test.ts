/** What a build's steps can't do, tried from inside. */
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BuildSpec, StepSpec } from "../../src/runtime/builds.ts";
import {
  type BuildBed,
  buildBed,
  buildEnd,
  buildLog,
  buildSpec,
  buildUntil,
  shellStep,
  toolsStep,
  untilTidy,
} from "../support/builds.ts";
import { instanceSpec } from "../support/instance-spec.ts";
import { untilReady } from "../support/driver.ts";

let bed: BuildBed;
beforeAll(async () => {
  bed = await buildBed({ limits: { builds: 3, stepPids: 200 } });
});
afterAll(() => bed.close());

let made = 0;
const newKey = (namespace = "default") => ({ namespace, name: `secure-${++made}` });

/** Runs one step to its end and gives its output. */
async function outputOf(step: StepSpec, more: Partial<BuildSpec> = {}): Promise<string> {
  const key = newKey();
  bed.driver.builds.start(key, buildSpec([step], more));
  const state = await buildEnd(bed.driver, key);
  expect(state.failure).toBeUndefined();
  return buildLog(bed.driver, key, step.name);
}

const both = [
  ["busybox", shellStep],
  ["the tools image", toolsStep],
] as const;

test.each(both)(
  "a step of %s has the default capabilities, no new privileges, a filter, and few devices",
  async (_, step) => {
    const text = await outputOf(
      step(
        "s",
        "grep -E '^(CapEff|CapBnd|CapPrm|NoNewPrivs|Seccomp):' /proc/self/status; ls /dev; cat /proc/1/oom_score_adj",
      ),
    );
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP
    for (const set of ["CapEff", "CapBnd", "CapPrm"])
      expect(text).toMatch(new RegExp(`^${set}:\\s+00000000800405fb$`, "m"));
    expect(text).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(text).toMatch(/^Seccomp:\s+2$/m);
    expect(text).not.toMatch(/^(vda|sda|mem|kmsg|loop.*)$/m);
    expect(text).toMatch(/^800$/m);
  },
);

test.each(both)("a step of %s can't mount, load, trace, or write to what it is given read-only", async (_, step) => {
  const denied = [
    "mount -t tmpfs tmpfs /mnt",
    "mount -o remount,rw /builder/bases",
    "touch /builder/bases/x",
    "echo 1 > /proc/sys/kernel/sysrq",
    "echo x > /etc/hosts",
    "mknod /tmp/disk b 254 0",
    "umount /workspace",
    "chroot /proc/1/root/../.. ls /root",
  ];
  const text = await outputOf(
    step(
      "s",
      denied.map((line, index) => `{ ${line}; } 2>/dev/null && echo did ${index} || true`).join("\n") +
        "\nls /proc | grep -c '^[0-9]'",
    ),
  );
  expect(text.replace(/did 7\n/, "")).toMatch(/^\d\n$/); // a root of its own either way
});

test("the tools image has programs and authorities' certificates, and no secret of the machine", async () => {
  const text = await outputOf(
    toolsStep(
      "s",
      `git --version; buildah --version; skopeo --version; node -p 'process.versions.node.split(".")[0] >= 24'
       ls -d /etc/shadow /etc/ssl/private /root /home /etc/ssh /var/lib ${bed.dir} 2>/dev/null || true
       ls /etc/ssl/certs | grep -c . ; cat /etc/containers/policy.json
       find / -xdev -path /proc -prune -o -name 'shadow*' -print -o -name '*_key' -path '*ssh*' -print 2>/dev/null || true
       touch /usr/bin/x 2>/dev/null && echo wrote; touch /elafros/program/package.json 2>/dev/null && echo wrote
       command -v elafros-builder; command -v elafros-fetch; echo "$PATH"`,
    ),
  );
  expect(text).toContain("git version");
  expect(text).toContain("buildah version");
  expect(text).toContain("skopeo version");
  expect(text).toContain("true\n");
  expect(text).not.toMatch(/^\/(etc\/shadow|etc\/ssl\/private|root|home|etc\/ssh|var\/lib)/m);
  expect(text).not.toContain(bed.dir);
  expect(text).not.toContain("wrote");
  expect(text).toContain("/elafros/bin/elafros-builder\n/elafros/bin/elafros-fetch\n/elafros/bin:");
});

test("builds see nothing of each other, of instances, or of what the driver keeps", async () => {
  const theirs = newKey("other");
  const secret = [{ registry: "r.example.com", username: "u", password: "their-secret" }];
  const hide = "echo their-secret | tee /workspace/f /builder/cache/f /tmp/f > /dev/null; echo on; sleep 60";
  bed.driver.builds.start(theirs, buildSpec([shellStep("s", hide)], { registryAuths: secret, cache: "other/app" }));
  await buildUntil(bed.driver, theirs, ({ steps }) => steps[0]?.phase === "running");
  const text = await outputOf(
    toolsStep(
      "s",
      "grep -rls their-secret /workspace /builder /tmp /run /elafros/fetch /var || true; ps -e | wc -l; cat /proc/mounts",
    ),
    { cache: "default/app" },
  );
  expect(text).not.toMatch(/^\/(workspace|builder|tmp|run|var)\/?.*f$/m);
  expect(text).not.toContain("their-secret");
  bed.driver.builds.cancel(theirs);
  await buildEnd(bed.driver, theirs);
  for (const part of ["builds", "builds/jobs", "builds/cache", "bases"]) {
    expect((await stat(join(bed.dir, part))).mode & 0o777).toBe(0o700);
  }
});

test("a step reaches no instance, no other build, and none of the machine's own ports", async () => {
  const server = createServer((socket) => socket.end("the machine\n"));
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const { port } = server.address() as { port: number };
  const key = { namespace: "default", name: "app-00001" };
  const exact = await bed.images.resolve("localhost/busybox", [], "Never");
  const serve = { image: exact, command: ["/bin/sh", "/bin/serve"] };
  bed.driver.scale(key, instanceSpec(serve), 1);
  const [instance] = await untilReady(bed.driver, key);
  const neighbour = newKey();
  bed.driver.builds.start(neighbour, buildSpec([shellStep("s", "hostname -i; httpd -f -p 8080 -h /")]));
  await expect.poll(async () => (await buildLog(bed.driver, neighbour, "s").catch(() => "")).trim()).toMatch(/^10\./);
  const others = [
    `${instance?.address?.host}:${instance?.address?.port}`,
    `${(await buildLog(bed.driver, neighbour, "s")).trim()}:8080`,
    ...Object.values(networkInterfaces()).flatMap((all) =>
      (all ?? []).filter((one) => one.family === "IPv4").map((one) => `${one.address}:${port}`),
    ),
    "169.254.169.254:80",
  ];
  const ask = `
    const { connect } = require("node:net");
    const reach = (host, port) => new Promise((resolve) => {
      const socket = connect({ host, port, timeout: 3000 }, () => resolve("reached " + host + ":" + port));
      for (const event of ["error", "timeout"]) socket.on(event, () => resolve("no"));
    });
    Promise.all(process.argv.slice(1).map((one) => reach(...one.split(":")))).then((all) => {
      console.log(JSON.stringify(all));
      process.exit();
    });`;
  const text = await outputOf(toolsStep("s", "", { command: ["node", "-e", ask, ...others] }));
  expect(JSON.parse(text)).toEqual(others.map(() => "no"));
  bed.driver.builds.cancel(neighbour);
  bed.driver.remove(key);
  await buildEnd(bed.driver, neighbour);
  server.close();
}, 60_000);

test("a step can't fill the memory in which the driver keeps its records by way of its credentials", async () => {
  const text = await outputOf(
    shellStep(
      "s",
      `cd $HOME/.docker; { dd if=/dev/zero of=large bs=1M count=64 && echo filled; } 2>/dev/null || rm large
       i=0; while [ $i -lt 30000 ] && echo > $i; do i=$((i+1)); done 2>/dev/null; [ $i -lt 30000 ] || echo many; rm [0-9]*
       grep -c r.example.com config.json; echo {} > config.json && echo writable`,
    ),
    { registryAuths: [{ registry: "r.example.com", username: "u", password: "p" }] },
  );
  expect(text).toBe("1\nwritable\n");
  await untilTidy(bed.dir);
});

test("a step can't hold the locks of the base images' storage", async () => {
  const text = await outputOf(
    toolsStep("s", "cd /builder/bases; for lock in */*.lock; do stat -c '%n %d:%i' $lock; done"),
  );
  const seen = text.trim().split("\n");
  expect(seen).toHaveLength(2);
  for (const line of seen) {
    const [name = "", inode] = line.split(" ");
    const { dev, ino } = await stat(join(bed.dir, "bases", name));
    expect(`${dev}:${ino}`).not.toBe(inode);
  }
});

test("links that a step leaves lead no later step, nor the driver, out of the build", async () => {
  const outside = join(bed.dir, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "file"), "kept\n", { mode: 0o600 });
  const key = newKey();
  const attack = [
    `rm -rf $HOME/.docker/* ; ln -s ${outside}/file $HOME/.docker/config.json; ln -s ${outside} $HOME/.docker/dir`,
    `ln -s ${outside} /builder/link; ln -s ${outside}/file /builder/image-digest; ln -s ${outside} /workspace/out`,
    `rm -rf /builder/image; ln -s ${outside} /builder/image; rm -rf /data/*; ln -s ${outside} /data/sub`,
  ].join("\n");
  const volume = { volume: "v", readOnly: false, source: { type: "emptyDir", medium: "" } } as const;
  const security = { ...shellStep("x", "").security, runAsUser: 1234 };
  bed.driver.builds.start(
    key,
    buildSpec(
      [
        shellStep("attack", attack, { mounts: [{ ...volume, mountPath: "/data" }] }),
        shellStep("after", "ls -la $HOME/.docker /builder", { security }),
        shellStep("sub", "touch /sub/x", { mounts: [{ ...volume, mountPath: "/sub", subPath: "sub" }] }),
      ],
      { registryAuths: [{ registry: "r.example.com", username: "u", password: "p" }], image: "attack" },
    ),
  );
  const state = await buildEnd(bed.driver, key);
  expect(state.failure?.message).toContain('"sub" is a symbolic link');
  await untilTidy(bed.dir);
  expect(await readdir(outside)).toEqual(["file"]);
  expect(await readFile(join(outside, "file"), "utf8")).toBe("kept\n");
  expect(await stat(join(outside, "file"))).toMatchObject({ uid: 0, mode: 0o100600 });
});

test("a step has so many processes and no more", async () => {
  const key = newKey();
  const forks = "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i+1)); done";
  bed.driver.builds.start(key, buildSpec([shellStep("s", forks)]));
  expect((await buildEnd(bed.driver, key)).failure?.message).toMatch(/can't fork|Resource temporarily unavailable/);
  await untilTidy(bed.dir);
});
