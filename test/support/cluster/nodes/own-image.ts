/**
 * The images of Elafros itself in Pods of builds: this machine's programs and this checkout, as steps of builds have them on one machine, with the programs of
 * builds' Pods added. To make the real ones (`npm run image`) takes a Debian and minutes.
 */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ownPrograms } from "../../../../src/kubernetes/builds/names.ts";
import { makeTools, type Tools } from "../../../../src/runtime/oci/build-tools.ts";
import type { StorageDriver } from "../../../../src/runtime/oci/storage-config.ts";

const program = (source: string): string =>
  `#!/bin/sh\nexec /elafros/bin/node --disable-warning=ExperimentalWarning /elafros/program/src/${source}/main.ts "$@"\n`;

/**
 * Makes its root below `dir`.
 * @param plain registries without TLS, as ports of each Pod's loopback
 */
export async function makeOwnImage(dir: string, driver: StorageDriver, plain: readonly number[]): Promise<Tools> {
  await mkdir(dir, { mode: 0o755 });
  const { image, mounts } = await makeTools(dir, driver);
  const layer = join(dir, "pods");
  const files: Record<string, string> = {
    [`elafros/bin/${ownPrograms.prepare}`]: program("kubernetes/builds/prepare"),
    [`elafros/bin/${ownPrograms.image}`]: program("kubernetes/builds/result"),
    // As scripts/image.sh has it: nobody has put base images beside it.
    "elafros/etc/storage.conf": `[storage]\ndriver = "${driver}"\ngraphroot = "/builder/cache/storage"\nrunroot = "/tmp/containers"\n`,
    "etc/containers/registries.conf.d/plain.conf": plain
      .map((port) => `[[registry]]\nlocation = "127.0.0.1:${port}"\ninsecure = true\n`)
      .join(""),
  };
  for (const [path, text] of Object.entries(files)) {
    const at = join(layer, path);
    await mkdir(dirname(at), { recursive: true, mode: 0o755 });
    await writeFile(at, text);
    await chmod(at, path.startsWith("elafros/bin/") ? 0o755 : 0o644);
  }
  const { env } = image.config;
  return {
    image: {
      id: `${image.id}-pods`,
      layers: [layer, ...image.layers],
      config: { ...image.config, env: [...env, "ELAFROS_BASE_IMAGES=pull"], user: "65532:65532" },
    },
    mounts,
  };
}
