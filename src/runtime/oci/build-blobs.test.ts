import { link, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createBaseBlobs } from "./build-blobs.ts";

test("keep() takes the layers of base images alone, and prune() removes those of images that are gone", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-blobs-"));
  try {
    const layers = (...names: string[]) =>
      writeFile(
        join(dir, "overlay-layers/layers.json"),
        JSON.stringify([{ id: "no-digest" }, ...names.map((name) => ({ "diff-digest": `sha256:${name}` }))]),
      );
    for (const name of ["overlay-layers", "image"]) await mkdir(join(dir, name));
    await layers("base1", "base2", "linked");
    const blob = async (hex: string) => {
      const path = join(dir, "image", hex);
      await writeFile(path, hex, { mode: 0o666 });
      return { hex, path, known: false };
    };
    const blobs = createBaseBlobs(dir, "overlay");
    await blobs.prepare();
    const own = await Promise.all(["base1", "base2", "own", "linked"].map(blob));
    await link(join(dir, "image/linked"), join(dir, "image/other-name"));
    const manifest = { mediaType: "", digest: "", size: 0 };
    await blobs.keep({ manifest, blobs: own });
    expect(await readdir(blobs.dir)).toEqual(["base1", "base2"]);
    expect((await readdir(join(dir, "image"))).toSorted()).toEqual(["linked", "other-name", "own"]);
    expect(await stat(join(blobs.dir, "base1"))).toMatchObject({ uid: 0, gid: 0, mode: 0o100444 });
    const again = { hex: "base1", path: join(blobs.dir, "base1"), known: true };
    await blobs.keep({ manifest, blobs: [again] });
    await layers("base2");
    await blobs.prune();
    expect(await readdir(blobs.dir)).toEqual(["base2"]);
  } finally {
    await rm(dir, { recursive: true });
  }
});
