import { describe, expect, it } from "vitest";
import { refuseScheduling, schedulingOf, validateScheduling } from "./scheduling.ts";

const of = (name: string, text: string) => ({ [`scheduling.elafros.dev/${name}`]: text });

describe("schedulingOf", () => {
  it("schedulingOf() reads labels of nodes; of one that is named twice the later value counts", () => {
    const text = "disk=ssd, topology.kubernetes.io/zone=b,empty=,disk=nvme, ";
    expect(schedulingOf(of("node-selector", text)).nodeSelector).toEqual({
      disk: "nvme",
      "topology.kubernetes.io/zone": "b",
      empty: "",
    });
  });

  it.each([
    ["spot", { key: "spot", operator: "Exists" }],
    ["spot:NoExecute", { key: "spot", operator: "Exists", effect: "NoExecute" }],
    [
      "example.com/dedicated=web:NoSchedule",
      { key: "example.com/dedicated", operator: "Equal", value: "web", effect: "NoSchedule" },
    ],
    ["dedicated=", { key: "dedicated", operator: "Equal", value: "" }],
    ["*", { operator: "Exists" }],
    ["*:PreferNoSchedule", { operator: "Exists", effect: "PreferNoSchedule" }],
  ])("schedulingOf() reads the toleration %s", (text, toleration) => {
    expect(schedulingOf(of("tolerations", `first, ${text}`)).tolerations).toEqual([
      { key: "first", operator: "Exists" },
      toleration,
    ]);
  });

  it.each([
    ["nothing", undefined],
    ["what isn't readable", { ...of("node-selector", "disk"), ...of("tolerations", "a:Never") }],
  ])("schedulingOf() gives nothing of %s", (_, annotations) => {
    expect(schedulingOf(annotations)).toEqual({ nodeSelector: {}, tolerations: [] });
  });
});

describe("validateScheduling", () => {
  it.each([
    ["node-selector", "disk", "must be labels of nodes"],
    ["node-selector", "", "must be labels of nodes"],
    ["node-selector", "disk=ssd,,a=b", "must be labels of nodes"],
    ["node-selector", ",disk=ssd", "must be labels of nodes"],
    ["node-selector", "a/b/c=d", "must be labels of nodes"],
    ["node-selector", `${"a".repeat(64)}=b`, "must be labels of nodes"],
    ["node-selector", `a=${"b,a=".repeat(2_000)}`, "must have at most 4096 characters"],
    ["tolerations", "spot:Never", "must be taints"],
    ["tolerations", "*=web", "must be taints"],
    ["tolerations", "a b", "must be taints"],
    ["nodeSelector", "a=b", "no such setting: names under scheduling.elafros.dev/ are node-selector, tolerations"],
  ])("validateScheduling() refuses %s %j", (name, text, words) => {
    const faults = validateScheduling(of(name, text), "a");
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ field: `a[scheduling.elafros.dev/${name}]` });
    expect(faults[0]?.message).toContain(words);
  });

  it("validateScheduling() accepts what schedulingOf() reads, and is not about other annotations", () => {
    const good = { ...of("node-selector", "disk=ssd"), ...of("tolerations", "*"), other: "" };
    expect(validateScheduling(good, "a")).toEqual([]);
  });
});

it("refuseScheduling() says where the settings of a Configuration stand", () => {
  expect(refuseScheduling({ ...of("tolerations", "*"), other: "" }, "a")).toEqual([
    {
      reason: "FieldValueForbidden",
      field: "a[scheduling.elafros.dev/tolerations]",
      message: "Forbidden: has no effect here: set it in spec.revisionTemplate.metadata.annotations",
    },
  ]);
});
