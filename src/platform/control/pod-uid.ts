import { createHash } from "node:crypto";

/** A uid that is the same in each control: of a name that nothing else has, in the form of RFC 9562. */
export function uidOf(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}
