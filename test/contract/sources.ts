/** What both sides of the sources port promise. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SourcesPort } from "../../src/runtime/sources.ts";
import type { ManualClock } from "../support/manual-clock.ts";

/** A side that is held to the contract. */
export interface SourcesSide {
  /** Takes archives of at most `mostBytes`. */
  port: SourcesPort;
  /** The clock of both. */
  clock: ManualClock;
  /** The same storage, as the next process finds it. */
  reopen(): Promise<SourcesPort>;
  close(): Promise<void>;
}

/** What sides must take, and no byte more. */
export const mostBytes = 3 << 20;

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
let made = 0;
/** An archive that is like no other. */
const archive = (size = 100_000) => Buffer.alloc(size, `archive ${++made} `);
/** Its bytes as they come over a network. */
const sent = (bytes: Buffer, piece = 40_000) =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / piece) }, (_, index) =>
      bytes.subarray(index * piece, (index + 1) * piece),
    ),
  );

/** Holds a side to it. */
export function sourcesContract(name: string, start: () => Promise<SourcesSide>): void {
  describe(`sources ${name}`, () => {
    let side: SourcesSide;
    let port: SourcesSide["port"];
    beforeAll(async () => {
      side = await start();
      ({ port } = side);
    });
    afterAll(() => side?.close());

    const kept = async (namespace: string, digest: string, from = port) => {
      const stream = await from.open(namespace, digest);
      return stream === undefined ? undefined : buffer(stream);
    };

    test("an archive comes back as it was, for its namespace alone, also from the next process", async () => {
      const bytes = archive();
      const digest = digestOf(bytes);
      expect(await port.size("team", digest)).toBeUndefined();
      expect(await kept("team", digest)).toBeUndefined();
      await port.put("team", digest, sent(bytes));
      const next = await side.reopen();
      for (const one of [port, next]) {
        expect(await one.size("team", digest)).toBe(bytes.length);
        expect((await kept("team", digest, one))?.equals(bytes)).toBe(true);
        expect(await one.size("other", digest)).toBeUndefined();
        expect(await kept("other", digest, one)).toBeUndefined();
      }
    });

    test("put again, and by two at once, it is the same", async () => {
      const bytes = archive();
      const digest = digestOf(bytes);
      await Promise.all([port.put("team", digest, sent(bytes)), port.put("team", digest, sent(bytes, 1_000))]);
      await port.put("team", digest, sent(bytes));
      expect((await kept("team", digest))?.equals(bytes)).toBe(true);
    });

    test("bytes of another digest are refused, and leave nothing", async () => {
      const [bytes, other] = [archive(), archive()];
      const digest = digestOf(other);
      await expect(port.put("team", digest, sent(bytes))).rejects.toMatchObject({ reason: "DigestMismatch" });
      expect(await port.size("team", digest)).toBeUndefined();
      expect(await kept("team", digest)).toBeUndefined();
      await port.put("team", digest, sent(other));
      expect(await port.size("team", digest)).toBe(other.length);
    });

    test.each(["md5:0123", "sha256:../../../x", `sha256:${"0".repeat(63)}g`, ""])(
      "%j is no digest: it is refused, and never there",
      async (digest) => {
        const put = port.put("team", digest, sent(archive()));
        await expect(put).rejects.toMatchObject({
          reason: "BadDigest",
          message: `${JSON.stringify(digest)} is no digest: it must be sha256: and 64 hex digits`,
        });
        expect(await port.size("team", digest)).toBeUndefined();
        expect(await kept("team", digest)).toBeUndefined();
      },
    );

    test("the limit is taken exactly, and one byte more is refused, which leaves nothing", async () => {
      expect(port.maxBytes).toBe(mostBytes);
      const [most, more] = [archive(mostBytes), archive(mostBytes + 1)];
      await port.put("team", digestOf(most), sent(most));
      expect(await port.size("team", digestOf(most))).toBe(mostBytes);
      await expect(port.put("team", digestOf(more), sent(more))).rejects.toMatchObject({
        reason: "TooLarge",
        message: expect.stringMatching(/^The archive is over the limit of 3 MiB/u) as string,
      });
      expect(await port.size("team", digestOf(more))).toBeUndefined();
    });

    test("what nobody names goes once it isn't wanted any more, and all of a namespace that is gone", async () => {
      const [hour, day] = [3_600_000, 24 * 3_600_000];
      const rules = {
        keep: new Set<string>(),
        namespaces: new Set(["team"]),
        freshMs: day,
        keepMs: 10 * day,
        most: 100,
      };
      const put = async (namespace: string) => {
        const bytes = archive();
        await port.put(namespace, digestOf(bytes), sent(bytes));
        return digestOf(bytes);
      };
      const [named, asked, unwanted] = [await put("team"), await put("team"), await put("team")];
      const orphan = await put("gone");
      const keep = new Set([`team/${named}`]);
      const left = async (namespace: string, ...digests: string[]) =>
        Promise.all(digests.map(async (digest) => (await kept(namespace, digest)) !== undefined));
      await port.prune({ ...rules, keep });
      expect(await left("team", named, asked, unwanted)).toEqual([true, true, true]);
      expect(await left("gone", orphan)).toEqual([true]);
      // On a cluster times are kept to the hour.
      await side.clock.advance(8 * day);
      expect(await port.size("team", asked)).toBeDefined();
      await side.clock.advance(2 * day + 2 * hour);
      await port.prune({ ...rules, keep });
      expect(await left("team", named, asked)).toEqual([true, true]);
      expect(await port.size("team", unwanted)).toBeUndefined();
      expect(await port.size("gone", orphan)).toBeUndefined();
      expect(await port.size("team", asked)).toBeDefined();
    });

    test("an upload whose sender goes away fails, and leaves nothing", async () => {
      const bytes = archive();
      const digest = digestOf(bytes);
      const body = Readable.from(
        (function* () {
          yield bytes.subarray(0, 10_000);
          throw new Error("The sender went away");
        })(),
      );
      await expect(port.put("team", digest, body)).rejects.toThrow("The sender went away");
      expect(await port.size("team", digest)).toBeUndefined();
      await port.put("team", digest, sent(bytes));
      expect((await kept("team", digest))?.equals(bytes)).toBe(true);
    });
  });
}
