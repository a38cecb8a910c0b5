/** The images of the app that services on a cluster run: named by the user, or made here and pushed. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Stage } from "../conformance/normative/player.ts";
import { makeImages } from "../support/images.ts";
import { startRegistry } from "../support/registry.ts";

const names = ["app:1", "app:2", "app:3"] as const;

/** `PREFIX/app:1` and so on. */
export function appImages(prefix: string): Stage["images"] {
  return { "app:1": `${prefix}/app:1`, "app:2": `${prefix}/app:2`, "app:3": `${prefix}/app:3` };
}

/**
 * Makes them from what is on this machine (buildah), and copies them to a registry with skopeo, as whoever `podman login` or `docker login` knows there.
 * @param prefix a registry's host and a path in it
 */
export async function pushApps(prefix: string): Promise<void> {
  const local = await startRegistry();
  try {
    const made = await makeImages(local);
    const to = appImages(prefix);
    for (const name of names) {
      const copy = ["copy", "--quiet", "--src-tls-verify=false", `docker://${made[name]}`, `docker://${to[name]}`];
      await promisify(execFile)("skopeo", copy);
    }
  } finally {
    await local.close();
  }
}
