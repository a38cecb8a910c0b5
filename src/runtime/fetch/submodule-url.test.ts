import { expect, test } from "vitest";

import { submoduleUrl } from "./submodule-url.ts";

test.each([
  ["https://h/a/b.git", "https://other/c", "https://other/c"],
  ["https://h/a/b.git", "../c.git", "https://h/a/c.git"],
  ["https://h/a/b.git", "./c.git", "https://h/a/b.git/c.git"],
  ["https://u@h:8443/a/b", "../../c", "https://u@h:8443/c"],
  ["ssh://git@h/a/b", "../c", "ssh://git@h/a/c"],
  ["git@h:a/b.git", "../c.git", "git@h:a/c.git"],
  ["git@h:b.git", "../c.git", "git@h:c.git"],
  ["file:///srv/a/b", "../c", "file:///srv/a/c"],
  ["https://h/a/b.git/", "../c.git", "https://h/a/c.git"],
])("submoduleUrl(%s, %s) is %s", (parent, url, expected) => {
  expect(submoduleUrl(parent, url)).toBe(expected);
});

test.each([
  ["https://h/a", "../../c"],
  ["git@h:a", "../../c"],
  ["file:///a", "../../c"],
])("submoduleUrl(%s, %s) leaves its host and is refused", (parent, url) => {
  expect(() => submoduleUrl(parent, url)).toThrow("leads above its host: correct it in .gitmodules");
});
