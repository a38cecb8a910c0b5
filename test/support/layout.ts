/** An OCI layout of an image that nothing runs. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** An OCI layout as a step leaves it; gives the digest of its manifest. */
export async function writeLayout(layout: string): Promise<string> {
  await mkdir(join(layout, "blobs/sha256"), { recursive: true });
  const put = async (data: Buffer, mediaType: string) => {
    const hex = createHash("sha256").update(data).digest("hex");
    await writeFile(join(layout, "blobs/sha256", hex), data);
    return { mediaType, digest: `sha256:${hex}`, size: data.length };
  };
  const layer = await put(Buffer.alloc(3 << 20, "layer"), "application/vnd.oci.image.layer.v1.tar");
  const config = {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  };
  const manifest = await put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: await put(Buffer.from(JSON.stringify(config)), "application/vnd.oci.image.config.v1+json"),
        layers: [layer],
      }),
    ),
    "application/vnd.oci.image.manifest.v1+json",
  );
  await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return manifest.digest;
}
