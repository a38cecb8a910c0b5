import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readLayout } from "./layout.ts";

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
    const file = ({ digest }: { digest: string }) => {
      const hex = digest.replace("sha256:", "");
      return { hex, path: join(dir, "blobs/sha256", hex), known: false };
    };
    expect(await readLayout(dir, { arch: "x64" })).toEqual({ manifest, blobs: [file(manifest), file(config)] });
    const both = { manifests: [manifest, manifest] };
    await writeFile(join(dir, "index.json"), JSON.stringify(both));
    await expect(readLayout(dir, { arch: "arm64" })).rejects.toThrow("lists 2 images, and none for linux/arm64");
    const two = both.manifests.map((one) => ({ ...one, platform: { architecture: "arm64", os: "linux" } }));
    await writeFile(join(dir, "index.json"), JSON.stringify({ manifests: two }));
    await expect(readLayout(dir, { arch: "arm64" })).rejects.toThrow("lists 2 images for linux/arm64: leave one");
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("readLayout() takes a known blob in place of a link, and no link else", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-layout-"));
  try {
    const [blobs, known] = [join(dir, "blobs/sha256"), join(dir, "known")];
    for (const path of [blobs, known]) await mkdir(path, { recursive: true });
    const put = async (text: string, into: string) => {
      const hex = createHash("sha256").update(text).digest("hex");
      await writeFile(join(into, hex), text);
      return { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: `sha256:${hex}`, size: text.length };
    };
    const layer = await put("layer", known);
    const hex = layer.digest.replace("sha256:", "");
    await symlink(join(known, hex), join(blobs, hex));
    const manifest = await put(JSON.stringify({ config: await put("{}", blobs), layers: [layer] }), blobs);
    await writeFile(join(dir, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(dir, "index.json"), JSON.stringify({ manifests: [manifest] }));
    const { blobs: found } = await readLayout(dir, { arch: "x64", knownBlobs: known });
    expect(found.at(-1)).toEqual({ hex, path: join(known, hex), known: true });
    await expect(readLayout(dir, { arch: "x64" })).rejects.toThrow(`blob "${layer.digest}" is not a regular file`);
    await writeFile(join(known, hex), "longer than that");
    await expect(readLayout(dir, { arch: "x64", knownBlobs: known })).rejects.toThrow("is not a regular file");
  } finally {
    await rm(dir, { recursive: true });
  }
});
