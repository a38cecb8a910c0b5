import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const lookMs = 200;

/** Gives what is appended to a file from now on, also after it was cut to nothing, until the returned function is called. */
export function followFile(path: string, write: (text: string) => void): () => void {
  const stop = new AbortController();
  void follow(path, write, stop.signal);
  return () => stop.abort();
}

async function follow(path: string, write: (text: string) => void, signal: AbortSignal): Promise<void> {
  let at = await sizeOf(path);
  while (!signal.aborted) {
    const size = await sizeOf(path);
    if (size < at) at = 0;
    if (size > at) {
      try {
        for await (const text of createReadStream(path, { start: at, end: size - 1, encoding: "utf8" }))
          write(String(text));
      } catch (error) {
        // Taken away since it was looked at; there may be another one soon.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
      at = size;
    }
    await sleep(lookMs, undefined, { signal }).catch(() => {});
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
