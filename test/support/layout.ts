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

/** A shell script that leaves such a layout with one file of its own, without any tool. What its parts are called is in /workspace/names. */
export const layoutScript = (content: string) =>
  `
  cd /builder/image; mkdir -p blobs/sha256 /tmp/root; echo ${content} > /tmp/root/file
  put() { h=$(sha256sum "$1" | cut -d' ' -f1); s=$(stat -c %s "$1"); mv "$1" blobs/sha256/$h; }
  tar -C /tmp/root -cf /tmp/layer .; put /tmp/layer; layer=$h; layerSize=$s
  echo '{"architecture":"amd64","os":"linux","config":{"Env":["A=${content}"]},"rootfs":{"type":"layers","diff_ids":["sha256:'$layer'"]}}' > /tmp/config
  put /tmp/config; config=$h; configSize=$s
  echo '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:'$config'","size":'$configSize'},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:'$layer'","size":'$layerSize'}]}' > /tmp/manifest
  put /tmp/manifest; manifest=$h; manifestSize=$s
  echo '{"imageLayoutVersion":"1.0.0"}' > oci-layout
  echo '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:'$manifest'","size":'$manifestSize'}]}' > index.json
  echo layer=$layer config=$config manifest=$manifest > /workspace/names`;
