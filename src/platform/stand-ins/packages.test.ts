import { describe, expect, test } from "vitest";
import { followDepends, parseDepends, parseUris } from "./packages.ts";
import { recipesFor } from "./recipes.ts";

describe("parseDepends()", () => {
  test("reads apt-cache's answer, of alternatives the first, of what is only provided the first provider", () => {
    const text = `python3.11
  PreDepends: libc6
  Depends: libpython3.11-stdlib
 |Depends: media-types
  Depends: mime-support
python3-venv
  Depends: <python3.11-distutils>
    python3-distutils
    python3-other
  Depends: <python3:any>
    python3
libc6
nginx
  Depends: libc6:amd64
 |Depends: debconf
  Depends: <debconf-2.0>
    cdebconf
<virtual>
`;
    expect(Object.fromEntries(parseDepends(text))).toEqual({
      "python3.11": ["libc6", "libpython3.11-stdlib", "media-types"],
      "python3-venv": ["python3-distutils", "python3"],
      libc6: [],
      nginx: ["libc6", "debconf"],
    });
  });
});

describe("followDepends()", () => {
  test("follows only what is named, and ends where packages need one another", () => {
    const depends = new Map([
      ["a", ["lib-b", "tool"]],
      ["lib-b", ["lib-c"]],
      ["lib-c", ["lib-b", "a"]],
      ["tool", ["lib-d"]],
    ]);
    expect(followDepends(depends, ["a"], /^lib/u)).toEqual(["a", "lib-b", "lib-c"]);
  });
});

describe("parseUris()", () => {
  test("reads names, files, sizes and hashes", () => {
    const text =
      "'http://deb.debian.org/debian/pool/main/b/busybox/busybox-static_1.35.0-4%2bb1_amd64.deb' busybox-static_1%3a1.35.0-4+b1_amd64.deb 928188 SHA256:ab12\n";
    expect(parseUris(text)).toEqual([
      { name: "busybox-static", file: "busybox-static_1%3a1.35.0-4+b1_amd64.deb", bytes: 928_188, hash: "SHA256:ab12" },
    ]);
  });
});

describe("recipesFor()", () => {
  test("brings along what a language's images stand on", () => {
    expect(recipesFor(["node"]).map(({ name }) => name)).toEqual(["base", "node-run", "node-build"]);
    expect(recipesFor(["static", "go"]).map(({ name }) => name)).toEqual(["base", "go-run", "go-build", "static-run"]);
    expect(recipesFor(undefined)).toHaveLength(8);
  });

  test("refuses a language that there are none for with a sentence", () => {
    expect(() => recipesFor(["rust"])).toThrow(
      'Cannot make stand-ins for "rust": they are made for node, python, go, static',
    );
  });
});
