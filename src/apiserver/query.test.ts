import { describe, expect, it } from "vitest";

import { readDeleteOptions, readListOptions, readWatchOptions, readWriteOptions } from "./query.ts";

const query = (text: string) => new URLSearchParams(text);

describe("readWriteOptions()", () => {
  it("reads what is given", () => {
    expect(readWriteOptions(query(""), "CreateOptions")).toEqual({});
    expect(readWriteOptions(query("dryRun=All&fieldValidation=Strict&fieldManager=m"), "CreateOptions")).toEqual({
      dryRun: true,
      fieldValidation: "Strict",
      fieldManager: "m",
    });
  });

  it.each(["dryRun=yes", "fieldValidation=strict", `fieldManager=${"m".repeat(129)}`])("refuses %s", (text) => {
    expect(() => readWriteOptions(query(text), "CreateOptions")).toThrow('CreateOptions.meta.k8s.io "" is invalid');
  });
});

describe("readListOptions()", () => {
  it("reads what is given; a limit of nothing or less is none", () => {
    expect(readListOptions(query("limit=2&continue=abc&labelSelector=a%3Db&fieldSelector=x%3Dy"))).toEqual({
      limit: 2,
      continue: "abc",
      labelSelector: "a=b",
      fieldSelector: "x=y",
    });
    expect(readListOptions(query("limit=-1&labelSelector="))).toEqual({});
  });

  it.each([
    ["limit=x", 'strconv.ParseInt: parsing "x": invalid syntax'],
    ["resourceVersionMatch=Exact", "resourceVersionMatch is forbidden unless resourceVersion is provided"],
    ["resourceVersionMatch=Newest&resourceVersion=1", "Unsupported value"],
    ["resourceVersionMatch=Exact&resourceVersion=0", "forbidden"],
    ["sendInitialEvents=true", "sendInitialEvents is forbidden for list"],
  ])("refuses %s", (text, message) => {
    expect(() => readListOptions(query(text))).toThrow(message);
  });
});

describe("readWatchOptions()", () => {
  it("reads what is given", () => {
    const text =
      "allowWatchBookmarks=true&timeoutSeconds=9&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=7";
    expect(readWatchOptions(query(text))).toEqual({
      allowBookmarks: true,
      timeoutSeconds: 9,
      sendInitialEvents: true,
      resourceVersion: "7",
    });
  });

  it.each(["sendInitialEvents=true", "resourceVersionMatch=NotOlderThan"])("refuses %s alone", (text) => {
    expect(() => readWatchOptions(query(text))).toThrow("resourceVersionMatch");
  });
});

describe("readDeleteOptions()", () => {
  it("prefers the body", () => {
    const body = {
      propagationPolicy: "Orphan",
      preconditions: { uid: "u", resourceVersion: "1" },
      gracePeriodSeconds: 0,
      dryRun: ["All"],
    };
    expect(readDeleteOptions(query("propagationPolicy=Foreground"), body)).toEqual({
      propagationPolicy: "Orphan",
      preconditions: { uid: "u", resourceVersion: "1" },
      gracePeriodSeconds: 0,
      dryRun: true,
    });
    expect(readDeleteOptions(query("propagationPolicy=Foreground&gracePeriodSeconds=3"), undefined)).toEqual({
      propagationPolicy: "Foreground",
      gracePeriodSeconds: 3,
    });
    expect(readDeleteOptions(query("orphanDependents=true"), undefined)).toEqual({ propagationPolicy: "Orphan" });
  });

  it.each([
    [{ propagationPolicy: "Sideways" }, "Unsupported value"],
    [{ propagationPolicy: "Orphan", orphanDependents: true }, "cannot be both set"],
    [{ gracePeriodSeconds: -1 }, "gracePeriodSeconds"],
    [{ dryRun: ["Some"] }, "dryRun"],
  ])("refuses %j", (body, message) => {
    expect(() => readDeleteOptions(query(""), body)).toThrow(message);
  });
});
