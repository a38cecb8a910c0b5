import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { directoryView, maxTextBytes } from "./view.ts";

test("directoryView() shows files that would be packed, and reads only those", async () => {
  const root = await mkdtemp(join(tmpdir(), "elafros-view-"));
  onTestFinished(() => rm(root, { recursive: true }));
  await mkdir(join(root, "src"));
  await writeFile(join(root, ".gitignore"), "secret\n");
  await writeFile(join(root, "secret"), "no");
  await writeFile(join(root, "package.json"), "{}");
  await writeFile(join(root, "src/big.js"), Buffer.alloc(maxTextBytes + 10, "x"));
  await symlink("package.json", join(root, "link"));
  const view = await directoryView(root);
  expect(view.files).toEqual([".gitignore", "package.json", "src/big.js"]);
  expect(await view.read("package.json")).toBe("{}");
  expect((await view.read("src/big.js"))?.length).toBe(maxTextBytes);
  expect(await view.read("secret")).toBeUndefined();
  expect(await view.read("link")).toBeUndefined();
  expect(await view.read("../etc/passwd")).toBeUndefined();
});
