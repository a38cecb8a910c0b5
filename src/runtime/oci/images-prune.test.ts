import { expect, test } from "vitest";
import { unneeded } from "./images-prune.ts";

test("unneeded() gives what was pulled by digest and isn't kept: not what has a tag or is the machine's", () => {
  const images = [
    { Id: "1", RepoDigests: ["a@sha256:1"] },
    { Id: "2", RepoDigests: ["a@sha256:2", "b@sha256:2"] },
    { Id: "3", RepoTags: ["localhost/mine:latest"], RepoDigests: ["localhost/mine@sha256:3"] },
    { Id: "4", RepoDigests: ["c@sha256:4"], ReadOnly: true },
    { Id: "5", RepoDigests: null },
  ];
  expect(unneeded(images, new Set(["b@sha256:2"]))).toEqual([{ id: "1", names: ["a@sha256:1"] }]);
});
