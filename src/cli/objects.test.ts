import { describe, expect, it } from "vitest";
import { allKinds } from "../api/kinds.ts";
import { references } from "./objects.ts";

describe("references", () => {
  it.each(references.map((one) => [one.kind, one] as const))(
    "references find %s where the API serves it",
    (name, one) => {
      const kind = allKinds.find((other) => other.kind === name);
      const { group, version, plural, namespaced, shortNames } = one;
      expect({ group, version, plural, namespaced, shortNames }).toEqual({
        group: kind?.group,
        version: kind?.version,
        plural: kind?.plural,
        namespaced: kind?.namespaced,
        shortNames: kind?.shortNames,
      });
    },
  );
});
