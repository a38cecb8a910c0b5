import { describe, expect, it } from "vitest";
import { parseOptions } from "../../../../test/support/cli.ts";
import { invokeCommand, type InvokeOptions } from "./invoke.ts";

const defaults: InvokeOptions = { header: [], path: "/", include: false, timeout: 600 };

describe("invokeCommand", () => {
  it.each<[string[], Partial<InvokeOptions>]>([
    [[], {}],
    [["hello"], { service: "hello" }],
    [["service/hello", "-n", "prod"], { service: "hello", namespace: "prod" }],
    [["-d", "a b", "--path", "/x?y=1"], { data: "a b", path: "/x?y=1" }],
    [["-f", "-", "-X", "put"], { file: "-", method: "PUT" }],
    [
      ["-H", "Accept: text/html", "--header", "X-Empty:"],
      {
        header: [
          ["Accept", "text/html"],
          ["X-Empty", ""],
        ],
      },
    ],
    [
      ["--event", "com.example.x", "--event-source", "/a", "--event-id", "1"],
      { event: "com.example.x", eventSource: "/a", eventId: "1" },
    ],
    [
      ["--target", "next", "--address", "[::1]:8080", "-i", "--timeout", "2m"],
      { target: "next", address: "[::1]:8080", include: true, timeout: 120 },
    ],
  ])("invokeCommand() reads %j", async (argv, expected) => {
    expect(await parseOptions<InvokeOptions>(invokeCommand, argv)).toEqual({ ...defaults, ...expected });
  });

  it.each([
    [["Hello"], "Give at most 50 lower case letters"],
    [["--path", "orders"], "Give a path that begins with /"],
    [["--path", "/ä"], "percent-encoded"],
    [["-H", "no colon"], "Give 'NAME: VALUE'"],
    [["-H", "a: b\r\nc: d"], "Give 'NAME: VALUE'"],
    [["-H", "Host: other"], '"Host" is set from the service'],
    [["-X", "connect"], "Give a method such as GET"],
    [["-d", "a", "-f", "b"], "cannot be used with"],
    [["--event", ""], "Give 1 to 1000 characters"],
    [["--address", "8080"], "Give an address and a port"],
  ])("invokeCommand() refuses %j with the way out", async (argv, message) => {
    await expect(parseOptions<InvokeOptions>(invokeCommand, argv)).rejects.toThrow(message);
  });
});
