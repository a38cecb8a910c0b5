import { describe, expect, it } from "vitest";

import { warningHeaders } from "./respond.ts";

describe("warningHeaders()", () => {
  it("quotes each text once, and lets nothing into the header that could end it", () => {
    expect(warningHeaders(['unknown field "a"', 'unknown field "a"'])).toEqual([
      String.raw`299 - "unknown field \"a\""`,
    ]);
    expect(warningHeaders(["a\r\nSet-Cookie: x", "ü\\"])).toEqual([
      '299 - "a??Set-Cookie: x"',
      String.raw`299 - "?\\"`,
    ]);
  });

  it("keeps all together below 4 KiB", () => {
    const values = warningHeaders(Array.from({ length: 100 }, (_, at) => `${at} ${"x".repeat(300)}`));
    expect(values.length).toBeGreaterThan(10);
    expect(values.join("").length).toBeLessThanOrEqual(4096);
  });
});
