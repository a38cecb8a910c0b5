import { expect, it } from "vitest";
import { isInternalName, urlMaker } from "./addresses.ts";

const host = "my-service.default.mydomain.com";

it.each([
  [{ http: "0.0.0.0:80" }, `http://${host}`],
  [{ http: "127.0.0.1:8080", https: "none" }, `http://${host}:8080`],
  [{ http: "0.0.0.0:80", https: "0.0.0.0:443" }, `https://${host}`],
  [{ http: "0.0.0.0:443", https: "[::]:8443" }, `https://${host}:8443`],
  [{ http: "0.0.0.0:80", https: "0.0.0.0:80" }, `https://${host}:80`],
])("urlMaker() of %j gives %s", (config, url) => {
  expect(urlMaker(config)(host)).toBe(url);
});

it.each([
  [host, false],
  ["my-service.default", true],
  ["next.my-service.default", true],
  ["other.default", false],
  ["api.example.com", false],
  ["*.example.com", false],
  ["xmy-service.default", false],
])("isInternalName(%s) says whether instances call default/my-service by it", (name, is) => {
  expect(isInternalName(name, { route: "default/my-service" })).toBe(is);
});
