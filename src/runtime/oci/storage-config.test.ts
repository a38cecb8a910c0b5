import { expect, test } from "vitest";
import { storageConf, storesIn } from "./storage-config.ts";

test("storesIn() reads the graph root and the stores below it, and nothing from comments", () => {
  expect(storesIn("")).toEqual(["/var/lib/containers/storage"]);
  expect(
    storesIn(`
# graphroot = "/commented"
[storage]
  graphroot = "/mnt/images" # here
[storage.options]
additionalimagestores = [ "/a",
  '/b', ]
`),
  ).toEqual(["/mnt/images", "/a", "/b"]);
});

test("storageConf() quotes paths", () => {
  const text = storageConf({ graphRoot: '/data "x"/store', runRoot: "/run" }, "overlay", ["/machine"]);
  expect(text).toContain('graphroot = "/data \\"x\\"/store"');
  expect(text).toContain('additionalimagestores = ["/machine"]');
  expect(text).toContain("skip_mount_home");
});
