/** Builds on disks that are small, or can't hold overlays. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { BuildSpec, StepSpec } from "../../src/runtime/builds.ts";
import {
  type BuildBed,
  buildBed,
  buildEnd,
  buildLog,
  buildSpec,
  shellStep,
  toolsStep,
  untilTidy,
} from "../support/builds.ts";

const run = promisify(execFile);
const mib = 1 << 20;

/** A bed on a file system of its own, which `mount` mounts. */
async function withDisk(
  mount: (top: string, at: string) => string[],
  use: (bed: BuildBed, at: string) => Promise<void>,
): Promise<void> {
  const top = await mkdtemp("/var/tmp/elafros-disk-");
  const at = join(top, "data");
  for (const name of ["l", "u", "w", "data"]) await mkdir(join(top, name));
  await run("mount", mount(top, at));
  try {
    const bed = await buildBed({ limits: { reserveBytes: 40 * mib } }, join(at, "d"));
    try {
      await use(bed, at);
    } finally {
      await bed.close();
    }
  } finally {
    await run("umount", [at]);
    await rm(top, { recursive: true });
  }
}

let made = 0;
async function runSteps(bed: BuildBed, steps: StepSpec[], more: Partial<BuildSpec> = {}) {
  const key = { namespace: "default", name: `disk-${++made}` };
  bed.driver.builds.start(key, buildSpec(steps, more));
  const state = await buildEnd(bed.driver, key);
  await untilTidy(bed.dir);
  return { key, state };
}

const smallImage = toolsStep(
  "image",
  `mkdir -p root/bin; cp /bin/busybox root/bin/
   printf 'FROM scratch\\nCOPY root /\\nRUN ["/bin/busybox","echo","hello"]\\n' > Dockerfile
   buildah bud --layers -t r . && buildah push r oci:/builder/image`,
);

test("where the data directory lies on an overlay, images are built as whole copies", async () => {
  const overlay = (top: string, at: string) => [
    "-t",
    "overlay",
    "overlay",
    "-o",
    `lowerdir=${top}/l,upperdir=${top}/u,workdir=${top}/w`,
    at,
  ];
  await withDisk(overlay, async (bed) => {
    expect(bed.images.driver).toBe("vfs");
    const { state, key } = await runSteps(bed, [smallImage], { image: "small" });
    expect(state.failure).toBeUndefined();
    expect(await buildLog(bed.driver, key, "image")).toContain("hello\n");
    expect(await bed.images.root(state.imageDigest ?? "")).toBeDefined();
  });
});

test("a build that fills the disk fails, is removed, and leaves room for the next", async () => {
  await withDisk(
    (_, at) => ["-t", "tmpfs", "-o", "size=160m", "tmpfs", at],
    async (bed, at) => {
      const free = async () => {
        const { bavail, bsize } = await statfs(at);
        return (bavail * bsize) / mib;
      };
      const fill = "for i in $(seq 40); do head -c 8388608 /dev/zero >> big; sleep 0.2; done";
      const slow = await runSteps(bed, [shellStep("fill", fill)]);
      expect(slow.state.failure?.message).toMatch(
        /^Build was stopped: ".*\/builds" has only .* left, and builds leave 40 MiB free; /,
      );
      // Faster than anybody looks: nothing at all is left, not even for the build's state.
      const fast = await runSteps(bed, [shellStep("fill", "head -c 500000000 /dev/zero > big; sync")]);
      expect(fast.state.failure?.message).toMatch(/No space left on device|^Build was stopped/);
      expect(await free()).toBeGreaterThan(100);

      // A layer of some hundred kilobytes that would become 400 MiB.
      const bomb = `
      cd /builder/image; mkdir -p blobs/sha256; truncate -s 400M /tmp/big
      put() { h=$(sha256sum "$1" | cut -d' ' -f1); s=$(stat -c %s "$1"); mv "$1" blobs/sha256/$h; }
      diff=$(tar -C /tmp -cf - big | sha256sum | cut -d' ' -f1)
      tar -C /tmp -cf - big | gzip > /tmp/layer; put /tmp/layer; layer=$h; layerSize=$s
      echo '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:'$diff'"]}}' > /tmp/config
      put /tmp/config; config=$h; configSize=$s
      echo '{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:'$config'","size":'$configSize'},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:'$layer'","size":'$layerSize'}]}' > /tmp/manifest
      put /tmp/manifest
      echo '{"imageLayoutVersion":"1.0.0"}' > oci-layout
      echo '{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:'$h'","size":'$s'}]}' > index.json`;
      const { state } = await runSteps(bed, [shellStep("bomb", bomb)], { image: "bomb" });
      expect(state.failure?.message).toMatch(/no space left on device|^Build was stopped/i);
      const layers = join(bed.dir, "images/store/overlay-layers/layers.json");
      // Where it was stopped, its tool is ended and tidied up after while the build is over already.
      await expect.poll(() => readFile(layers, "utf8")).not.toContain("incomplete");

      const after = await runSteps(bed, [smallImage], { image: "small" });
      expect(after.state.failure).toBeUndefined();
      expect(await free()).toBeGreaterThan(100);
    },
  );
});

test("a build that makes too many files is stopped while there are some left", async () => {
  await withDisk(
    (_, at) => ["-t", "tmpfs", "-o", "size=400m,nr_inodes=20000", "tmpfs", at],
    async (bed) => {
      // Quickly to where the last thousands begin, then so that somebody can look.
      const many =
        "for i in $(seq 17000); do echo > $i; done; for i in $(seq 17001 30000); do echo > $i; sleep 0.005; done";
      const { state } = await runSteps(bed, [shellStep("many", many)]);
      expect(state.failure?.message).toMatch(
        /^Build was stopped: ".*\/builds" has only \d{1,3} files left, and builds leave 1000 free; /,
      );
      const after = await runSteps(bed, [shellStep("after", "echo > file")]);
      expect(after.state.failure).toBeUndefined();
    },
  );
});
