/** Removes images that nothing needs any more. */
import type { Log } from "../../lib/log.ts";
import { type LocalStorage, podmanArgs } from "./images-inspect.ts";
import { needTool } from "./storage-run.ts";

interface Listed {
  Id: string;
  Names?: string[] | null;
  RepoTags?: string[] | null;
  RepoDigests?: string[] | null;
  ReadOnly?: boolean;
}

/**
 * Removes the images that were pulled by digest and that none of `keep` names, and gives their exact references. What has a tag was
 * made or brought here by somebody and stays; so does what the machine's own store has.
 */
export async function pruneImages(storage: LocalStorage, keep: ReadonlySet<string>, log: Log): Promise<string[]> {
  const podman = podmanArgs(storage.paths);
  const text = await needTool("podman", [...podman, "images", "--all", "--no-trunc", "--format", "json"], {
    env: storage.env,
    run: storage.run,
  });
  const removed: string[] = [];
  for (const image of unneeded(JSON.parse(text === "" ? "[]" : text) as Listed[], keep)) {
    const result = await storage.run("podman", [...podman, "rmi", "--", image.id], { env: storage.env });
    if (result.code === 0) removed.push(...image.names);
    else log.warn({ image: image.names, error: result.stderr.trim() }, "image can't be removed");
  }
  return removed;
}

/** Removes the parts of layers that a tool which was killed has left: whoever lists the images next does that. */
export async function removeParts(storage: LocalStorage, log: Log): Promise<void> {
  const args = [...podmanArgs(storage.paths), "images", "--quiet"];
  const { code, stderr } = await storage.run("podman", args, { env: storage.env });
  if (code !== 0) log.warn({ error: stderr.trim() }, "parts of an image may be left in storage");
}

/** The images to remove, by id, with their names. */
export function unneeded(images: readonly Listed[], keep: ReadonlySet<string>): { id: string; names: string[] }[] {
  return images
    .filter((image) => image.ReadOnly !== true && (image.RepoTags ?? []).length === 0)
    .map((image) => ({ id: image.Id, names: image.RepoDigests ?? [] }))
    .filter(({ names }) => names.length > 0 && !names.some((name) => keep.has(name)));
}
