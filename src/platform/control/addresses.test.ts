import { expect, it } from "vitest";
import { internalNames, urlMaker } from "./addresses.ts";

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

it("internalNames() has what instances call a Route by, and no domain, whatever it looks like", () => {
  const entry = (route: string) => ({ route, targets: [] });
  const hosts = {
    [host]: entry("default/my-service"),
    "my-service.default": entry("default/my-service"),
    "next.my-service.default": entry("default/my-service"),
    "other.default": entry("default/my-service"),
    "api.example.com": entry("default/my-service"),
    "*.example.com": entry("default/my-service"),
    "xmy-service.default": entry("default/my-service"),
  };
  expect(internalNames({ hosts })).toEqual(["my-service.default", "next.my-service.default"]);
});
