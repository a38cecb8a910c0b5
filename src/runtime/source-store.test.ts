import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";

import { assert, array, asyncProperty, uint8Array } from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";

import { manualClock } from "../../test/support/manual-clock.ts";
import { openSourceStore } from "./source-store.ts";

const digestOf = (...chunks: (string | Uint8Array)[]) => {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
};
const hour = 3_600_000;

async function scratch(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-sources-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

/** Every file below a directory. */
async function filesIn(dir: string): Promise<string[]> {
  const all = await readdir(dir, { recursive: true, withFileTypes: true });
  return all.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name).slice(dir.length + 1));
}

describe("the source store", () => {
  test("gives back what was put, whatever its chunks, to that namespace alone", async () => {
    const store = await openSourceStore({ dir: await scratch(), maxBytes: 1 << 20, reserveBytes: 0 });
    await assert(
      asyncProperty(array(uint8Array({ minLength: 1 })), async (chunks) => {
        const digest = digestOf(...chunks);
        await store.put("a", digest, Readable.from(chunks.map((chunk) => Buffer.from(chunk))));
        const bytes = Buffer.concat(chunks);
        expect(await store.size("a", digest)).toBe(bytes.length);
        const opened = await store.open("a", digest);
        expect(Buffer.concat((await opened?.toArray()) as Buffer[])).toEqual(bytes);
        expect(await store.size("b", digest)).toBeUndefined();
        expect(await store.open("b", digest)).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    [
      "another digest",
      digestOf("other"),
      "DigestMismatch",
      `has the digest ${digestOf("archive")}, not ${digestOf("other")}`,
    ],
    ["no digest", "sha256:../../x", "BadDigest", '"sha256:../../x" is no digest: it must be sha256: and 64 hex digits'],
  ])("keeps nothing of an archive with %s", async (_what, digest, reason, message) => {
    const dir = await scratch();
    const store = await openSourceStore({ dir, maxBytes: 100, reserveBytes: 0 });
    const put = store.put("a", digest, Readable.from([Buffer.from("archive")]));
    await expect(put).rejects.toMatchObject({ reason, message: expect.stringContaining(message) as string });
    expect(await filesIn(dir)).toEqual([]);
  });

  test("takes the limit exactly and refuses one byte more, leaving the body to whoever answers", async () => {
    const dir = await scratch();
    const store = await openSourceStore({ dir, maxBytes: 5, reserveBytes: 0 });
    await store.put("a", digestOf("12345"), Readable.from([Buffer.from("123"), Buffer.from("45")]));
    const body = Readable.from([Buffer.from("123456"), Buffer.from("rest")]);
    const put = store.put("a", digestOf("123456rest"), body);
    await expect(put).rejects.toMatchObject({
      reason: "TooLarge",
      message: "The archive is over the limit of 5 bytes (--max-source-size)",
    });
    expect(body.destroyed).toBe(false);
    expect(await filesIn(dir)).toEqual([`a/sha256-${digestOf("12345").slice(7)}`]);
  });

  test("keeps nothing of an upload that breaks off, and sweeps what a crash left", async () => {
    const dir = await scratch();
    const store = await openSourceStore({ dir, maxBytes: 100, reserveBytes: 0 });
    const body = new PassThrough();
    body.write("half");
    const put = store.put("a", digestOf("half whole"), body);
    await expect.poll(() => filesIn(dir)).toHaveLength(1);
    body.destroy(new Error("gone"));
    await expect(put).rejects.toThrow("gone");
    expect(await filesIn(dir)).toEqual([]);

    await store.put("a", digestOf("kept"), Readable.from([Buffer.from("kept")]));
    await writeFile(join(dir, ".incoming/left"), "half");
    const again = await openSourceStore({ dir, maxBytes: 100, reserveBytes: 0 });
    expect(await filesIn(dir)).toEqual([`a/sha256-${digestOf("kept").slice(7)}`]);
    expect(await text((await again.open("a", digestOf("kept"))) ?? Readable.from([]))).toBe("kept");
  });

  test("leaves the reserve free, and says so", async () => {
    const dir = await scratch();
    const full = await openSourceStore({ dir, maxBytes: 100, reserveBytes: 2 ** 60 });
    const sentence = expect.stringMatching(
      /^There is no room for the archive on the server's disk: it has \S+ \w+ left, and archives leave \S+ \w+ free; free some space there, then send it again$/,
    ) as string;
    const put = full.put("a", digestOf("a"), Readable.from([Buffer.from("a")]));
    await expect(put).rejects.toMatchObject({ reason: "NoSpace", message: sentence });
    expect(await filesIn(dir)).toEqual([]);
  });

  test("prunes what nothing names and nobody asked for of late", async () => {
    const dir = await scratch();
    const clock = manualClock();
    const store = await openSourceStore({ dir, maxBytes: 100, reserveBytes: 0, clock });
    const put = (namespace: string, content: string) =>
      store.put(namespace, digestOf(content), Readable.from([Buffer.from(content)]));
    await put("a", "named");
    await put("a", "unnamed");
    await put("a", "asked for");
    await put("b", "named");
    await clock.advance(2 * hour);
    await put("c", "new");
    await store.size("a", digestOf("asked for"));
    const keep = new Set([`a/${digestOf("named")}`]);
    await store.prune({ keep, namespaces: new Set(["a", "b", "c"]), freshMs: hour, keepMs: hour, most: 20 });
    expect((await filesIn(dir)).sort()).toEqual(
      [`a/${digestOf("named")}`, `a/${digestOf("asked for")}`, `c/${digestOf("new")}`]
        .map((name) => name.replace("sha256:", "sha256-"))
        .sort(),
    );
    expect((await readdir(dir)).sort()).toEqual([".incoming", "a", "c"]);
    await put("b", "back again");
    await clock.advance(2 * hour);
    await store.prune({ keep, namespaces: new Set(["c"]), freshMs: hour, keepMs: 24 * hour, most: 20 });
    expect(await filesIn(dir)).toEqual(
      [`a/${digestOf("named")}`, `c/${digestOf("new")}`].map((name) => name.replace("sha256:", "sha256-")),
    );
  });

  test("takes many of the same digest at once, while it is pruned", async () => {
    const dir = await scratch();
    const clock = manualClock();
    const store = await openSourceStore({ dir, maxBytes: 1 << 20, reserveBytes: 0, clock });
    const content = Buffer.alloc(100_000, "x");
    const digest = digestOf(content);
    const puts = Array.from({ length: 50 }, () => store.put("a", digest, Readable.from([content])));
    const rules = { keep: new Set<string>(), namespaces: new Set(["a"]), freshMs: 0, keepMs: 0, most: 20 };
    const prunes = Array.from({ length: 20 }, () => store.prune(rules));
    await Promise.all([...puts, ...prunes]);
    expect(await filesIn(dir)).toEqual([`a/sha256-${digest.slice(7)}`]);
  });
});
