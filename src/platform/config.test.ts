import { expect, test } from "vitest";
import { checkDataDir } from "./config.ts";

test("checkDataDir() takes every directory whose sockets fit, and says how long others may be", () => {
  const fits = `/${"d".repeat(78)}`;
  expect(() => checkDataDir(fits)).not.toThrow();
  expect(() => checkDataDir(`${fits}d`)).toThrow(
    /more than the 79 bytes that local sockets allow; choose a shorter one/,
  );
  expect(() => checkDataDir(`/${"ü".repeat(40)}`)).toThrow("--data-dir");
});

test.each(["/usr", "/usr/local/elafros", "/lib64/x"])("checkDataDir() refuses %s, which builds can read", (path) => {
  expect(() => checkDataDir(path)).toThrow(
    /^Cannot use data directory ".*": every build can read what is in .*; choose another with --data-dir, such as/,
  );
});

test("checkDataDir() takes a directory that only begins as one of programs does", () => {
  expect(() => checkDataDir("/usrdata/elafros")).not.toThrow();
});
