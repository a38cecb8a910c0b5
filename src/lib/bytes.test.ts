import { expect, test } from "vitest";
import { formatBytes } from "./bytes.ts";

test.for([
  [0, "0 bytes"],
  [1023, "1023 bytes"],
  [1024, "1 KiB"],
  [100_663_296, "96 MiB"],
  [7_730_941_133, "7.2 GiB"],
  [109_951_162_777_600, "100 TiB"],
  [2 ** 60, "1048576 TiB"],
] as const)("formatBytes() says %i as %s", ([bytes, text]) => {
  expect(formatBytes(bytes)).toBe(text);
});
