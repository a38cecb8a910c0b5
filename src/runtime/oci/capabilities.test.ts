import { expect, test } from "vitest";
import { defaultCapabilities } from "../../lib/capabilities.ts";
import { capabilitiesOf } from "./capabilities.ts";

test.each([
  { name: "the default", add: [], drop: [], want: defaultCapabilities.map((name) => `CAP_${name}`) },
  { name: "none after ALL", add: [], drop: ["ALL"], want: [] },
  { name: "what is added after ALL", add: ["cap_chown"], drop: ["all"], want: ["CAP_CHOWN"] },
  { name: "all but one", add: [], drop: ["CAP_SETUID", "KILL"], want: null },
])("capabilitiesOf() gives $name", ({ add, drop, want }) => {
  const got = capabilitiesOf({ addCapabilities: add, dropCapabilities: drop });
  if (want === null) {
    expect(got).not.toContain("CAP_SETUID");
    expect(got).toHaveLength(defaultCapabilities.length - 2);
  } else expect(got).toEqual(want);
});

test.each(["SYS_ADMIN", "NET_ADMIN", "NET_RAW", "ALL", "SYS_MODULE", "DAC_READ_SEARCH", "BOGUS"])(
  "capabilitiesOf() refuses %s",
  (name) => {
    expect(() => capabilitiesOf({ addCapabilities: [name], dropCapabilities: [] })).toThrow(name);
  },
);
