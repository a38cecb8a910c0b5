import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { acceptOf, http1Upgrade } from "./upgrade.ts";

test("acceptOf() answers the key of RFC 6455 §1.3 as it says there", () => {
  expect(acceptOf("dGhlIHNhbXBsZSBub25jZQ==")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

test.each([
  ["websocket", "GET", "dGhlIHNhbXBsZSBub25jZQ==", undefined],
  ["WebSocket", "GET", "dGhlIHNhbXBsZSBub25jZQ==", undefined],
  ["other", "GET", "dGhlIHNhbXBsZSBub25jZQ==", "UpgradeUnsupported"],
  ["websocket", "POST", "dGhlIHNhbXBsZSBub25jZQ==", "BadRequest"],
  ["websocket", "GET", undefined, "BadRequest"],
  ["websocket", "GET", "c2hvcnQ=", "BadRequest"],
])("an upgrade to %s by %s with the key %s has at apps of HTTP/2 the refusal %s", (protocol, method, key, reason) => {
  const req = new IncomingMessage(new Socket());
  req.method = method;
  if (key !== undefined) req.headers["sec-websocket-key"] = key;
  const upgrade = http1Upgrade({ protocol, socket: req.socket, early: [] }, req, new ServerResponse(req));
  expect(upgrade.streamRefusal?.reason).toBe(reason);
});
