import { existsSync, type FSWatcher, watch } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Log } from "../../lib/log.ts";

/** What is told of nowhere is looked for this often. */
const lookMs = 5_000;

/**
 * Calls `asked` whenever somebody makes a file at `path`, which is taken away then, and at once where it is there already. A file, since the
 * one who makes it may be confined, and may be no child of this process. Returns the function that ends it.
 */
export function watchRequests(path: string, { asked, log }: { asked: () => void; log: Log }): () => void {
  const look = (): void => {
    if (!existsSync(path)) return;
    // What it holds is nobody's word: only that it is there counts.
    rm(path).then(asked, (error: NodeJS.ErrnoException) => {
      // Told of twice, and taken already.
      if (error.code !== "ENOENT") log.warn({ error, path }, "a request can't be taken");
    });
  };
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), { persistent: false }, (_, name) => {
      if (name === basename(path)) look();
    });
    watcher.on("error", (error) => log.warn({ error, path }, "requests are seen later"));
  } catch (error) {
    // The machine allows only so many (fs.inotify.max_user_instances), and other programs may have them all.
    log.warn({ error, path }, "requests are seen later");
  }
  const timer = setInterval(look, lookMs).unref();
  look();
  return () => {
    watcher?.close();
    clearInterval(timer);
  };
}
