import { expect, it } from "vitest";
import { nameBelow, tagOf } from "./image-names.ts";

const digest = `sha256:${"0".repeat(64)}`;

it.each([
  ["nginx", "r.example/p/library/nginx:t", "latest"],
  ["team/app:1.2", "r.example/p/team/app:t", "1.2"],
  ["docker.io/library/nginx:1", "r.example/p/library/nginx:t", "1"],
  ["registry.example:5000/team/app", "r.example/p/team/app:t", "latest"],
  [`registry.example:5000/app@${digest}`, "r.example/p/app:t", "latest"],
  [`localhost/default/hello:3@${digest}`, "r.example/p/default/hello:t", "3"],
])("nameBelow() and tagOf() take %s apart", (image, name, tag) => {
  expect(nameBelow("r.example/p/", image, "t")).toBe(name);
  expect(tagOf(image)).toBe(tag);
});
