import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readLayout } from "./images-layout.ts";

test("readLayout() reads what it needs and nothing else", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-layout-"));
  try {
    await mkdir(join(dir, "blobs/sha256"), { recursive: true });
    const put = async (data: unknown) => {
      const bytes = Buffer.from(JSON.stringify(data));
      const hex = createHash("sha256").update(bytes).digest("hex");
      await writeFile(join(dir, "blobs/sha256", hex), bytes);
      return { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: `sha256:${hex}`, size: bytes.length };
    };
    const config = await put({});
    const manifest = await put({ config, layers: [] });
    await writeFile(join(dir, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(dir, "index.json"), JSON.stringify({ manifests: [manifest] }));
    await writeFile(join(dir, "blobs/sha256/not-a-digest"), "whatever");
    expect(await readLayout(dir, "x64")).toEqual({ manifest, blobs: [config] });
    const both = { manifests: [manifest, manifest] };
    await writeFile(join(dir, "index.json"), JSON.stringify(both));
    await expect(readLayout(dir, "arm64")).rejects.toThrow("lists 2 images, and none for linux/arm64");
    const two = both.manifests.map((one) => ({ ...one, platform: { architecture: "arm64", os: "linux" } }));
    await writeFile(join(dir, "index.json"), JSON.stringify({ manifests: two }));
    await expect(readLayout(dir, "arm64")).rejects.toThrow("lists 2 images for linux/arm64: leave one");
  } finally {
    await rm(dir, { recursive: true });
  }
});
