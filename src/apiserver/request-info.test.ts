import { describe, expect, it } from "vitest";

import { readRequest } from "./request-info.ts";

function read(method: string, url: string) {
  const [path = "", query = ""] = url.split("?");
  return readRequest(method, path, new URLSearchParams(query));
}

describe("readRequest()", () => {
  const namespaced = "/apis/elafros.dev/v1alpha1/namespaces/default/routes";
  const rows: [string, string, object][] = [
    [
      "GET",
      namespaced,
      { verb: "list", group: "elafros.dev", version: "v1alpha1", namespace: "default", resource: "routes", name: "" },
    ],
    ["GET", `${namespaced}/`, { verb: "list", name: "" }],
    ["GET", `${namespaced}?watch=true`, { verb: "watch" }],
    ["GET", `${namespaced}?watch=0`, { verb: "list" }],
    ["GET", `${namespaced}?fieldSelector=metadata.name%3Done`, { verb: "list", name: "one", named: false }],
    ["GET", `${namespaced}?fieldSelector=metadata.name!%3Done`, { verb: "list", name: "" }],
    ["GET", `${namespaced}/one?watch=true`, { verb: "get", name: "one", named: true }],
    ["HEAD", `${namespaced}/one`, { verb: "get" }],
    ["HEAD", `${namespaced}?watch=true`, { verb: "list" }],
    ["POST", namespaced, { verb: "create" }],
    ["PUT", `${namespaced}/one`, { verb: "update" }],
    ["PATCH", `${namespaced}/one/status`, { verb: "patch", subresource: "status" }],
    ["DELETE", namespaced, { verb: "deletecollection" }],
    ["DELETE", `${namespaced}/one`, { verb: "delete" }],
    ["OPTIONS", namespaced, { verb: "" }],
    ["GET", "/apis/elafros.dev/v1alpha1/routes", { verb: "list", namespace: "" }],
    ["GET", "/apis/elafros.dev/v1alpha1/watch/namespaces/default/routes", { verb: "watch", resource: "routes" }],
    ["GET", "/api/v1/namespaces", { verb: "list", group: "", resource: "namespaces", namespace: "" }],
    [
      "GET",
      "/api/v1/namespaces/default",
      { verb: "get", resource: "namespaces", name: "default", namespace: "default" },
    ],
    ["PUT", "/api/v1/namespaces/default/status", { resource: "namespaces", name: "default", subresource: "status" }],
    [
      "GET",
      "/api/v1/namespaces/default/pods/a/log",
      { resource: "pods", name: "a", subresource: "log", namespace: "default" },
    ],
    ["GET", "/api/v1/namespaces/default/%70ods", { resource: "pods" }],
    ["GET", "/api/v1", { isResource: false, verb: "get", path: "/api/v1" }],
    ["GET", "/apis/elafros.dev/v1alpha1", { isResource: false }],
    ["POST", "/version", { isResource: false, verb: "post", path: "/version" }],
    ["GET", "/", { isResource: false, path: "/" }],
  ];
  it.each(rows)("%s %s", (method, url, expected) => {
    expect(read(method, url)).toMatchObject(expected);
  });

  it.each([
    "/api/v1//pods",
    "/api/v1/namespaces/../pods",
    "/api/v1/namespaces/%2e%2e/pods",
    "/api/v1/pods/a%2fb",
    "/api/v1/pods/%00",
    "/api/v1/pods/%ff",
  ])("refuses %s", (path) => {
    expect(read("GET", path)).toBeUndefined();
  });
});
