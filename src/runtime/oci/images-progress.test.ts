import { expect, test } from "vitest";
import { layerSizes, sumOf, transferred } from "./images-progress.ts";

const [one, two] = [`sha256:${"1".repeat(64)}`, `sha256:${"2".repeat(64)}`];

test("layerSizes() knows each layer's bytes, and nothing of lists and nonsense", () => {
  const manifest = {
    layers: [
      { digest: one, size: 3 },
      { digest: two, size: 4 },
    ],
  };
  const sizes = layerSizes(Buffer.from(JSON.stringify(manifest)));
  expect(sumOf(sizes ?? new Map())).toBe(7);
  expect(sumOf(sizes ?? new Map(), [two, "sha256:other"])).toBe(4);
  expect(layerSizes(Buffer.from('{"manifests":[]}'))).toBeUndefined();
  expect(layerSizes(Buffer.from("<html>"))).toBeUndefined();
});

test("transferred() gives the layers that skopeo copied and didn't skip", () => {
  const stdout = Buffer.from(
    `Getting image source signatures\nCopying blob ${one}\nCopying blob ${two}\nCopying config x\n`,
  );
  expect(transferred({ stdout, stderr: "" })).toEqual([one, two]);
  const line = (digest: string) => `time="…" level=debug msg="Skipping blob ${digest} (already present):"\n`;
  expect(transferred({ stdout, stderr: line(one) })).toEqual([two]);
  expect(transferred({ stdout, stderr: line(one) + line(two) })).toEqual([]);
});
