import { describe, expect, it } from "vitest";

import { negotiate, negotiateError } from "./negotiate.ts";

describe("negotiate()", () => {
  it.each([
    [undefined, { format: "json" }],
    ["", { format: "json" }],
    ["*/*", { format: "json" }],
    ["application/yaml", { format: "yaml" }],
    ["application/json;q=0.1, application/yaml", { format: "yaml" }],
    ["application/vnd.kubernetes.protobuf,application/json", { format: "json" }],
    ["application/json;as=Table;v=v1;g=meta.k8s.io,application/json", { format: "json", transform: "Table" }],
    ["application/json;as=Table;v=v9;g=meta.k8s.io,application/json", { format: "json" }],
    [
      "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
      { format: "json", transform: "PartialObjectMetadata" },
    ],
  ])("takes %s", (accept, expected) => {
    expect(negotiate(accept)).toEqual({ ...expected, pretty: false });
  });

  it.each([
    "text/html",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Table;v=v9;g=meta.k8s.io",
    "application/json;q=0",
  ])("refuses %s and names what there is", (accept) => {
    expect(() => negotiate(accept)).toThrow(
      "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    );
  });

  it("gives watches JSON only", () => {
    expect(negotiate("application/json;stream=watch", { watch: true })).toEqual({ format: "json", pretty: false });
    expect(() => negotiate("application/yaml", { watch: true })).toThrow("application/json;stream=watch");
  });

  it("doesn't transform what is no object", () => {
    expect(() => negotiate("application/json;as=Table;v=v1;g=meta.k8s.io", { transformable: false })).toThrow(
      "media types",
    );
  });
});

describe("negotiateError()", () => {
  it("answers in YAML where YAML was asked for, else in JSON", () => {
    expect(negotiateError("application/yaml").format).toBe("yaml");
    expect(negotiateError("text/html").format).toBe("json");
    expect(negotiateError(undefined).format).toBe("json");
  });
});
