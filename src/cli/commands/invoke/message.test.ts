import { describe, expect, it } from "vitest";
import { makeMessage } from "./message.ts";

const nothing = { headers: [], now: Date.UTC(2026, 0, 2, 3, 4, 5), newId: () => "id-1" } as const;

describe("makeMessage", () => {
  it.each([
    ['{"a": 1}', "application/json"],
    ["3", "application/json"],
    ["a: 1", "text/plain; charset=utf-8"],
    [Buffer.from([0xff, 0x00]), "application/octet-stream"],
  ])("makeMessage() says what %j is, and posts it", (data, type) => {
    const body = Buffer.from(data);
    expect(makeMessage({ ...nothing, body })).toEqual({
      method: "POST",
      headers: { accept: "*/*", "user-agent": "elafros", "content-type": type },
      body,
    });
  });

  it("makeMessage() gets where there is nothing to send, and lets given method and headers win", () => {
    expect(makeMessage(nothing).method).toBe("GET");
    const headers = [
      ["Content-Type", "text/csv"],
      ["X-A", "1"],
      ["x-a", "2"],
    ] as const;
    const message = makeMessage({ ...nothing, method: "PUT", headers, body: Buffer.from("{}") });
    expect(message.method).toBe("PUT");
    expect(message.headers).toMatchObject({ "content-type": "text/csv", "x-a": ["1", "2"] });
  });

  it("makeMessage() puts an event's attributes into headers, percent-encoded where they must be", () => {
    const event = { type: 'com.example.€ "1" 5%', source: undefined, id: undefined };
    expect(makeMessage({ ...nothing, event })).toEqual({
      method: "POST",
      headers: {
        accept: "*/*",
        "user-agent": "elafros",
        "ce-specversion": "1.0",
        "ce-type": "com.example.%E2%82%AC%20%221%22%205%25",
        "ce-source": "elafros/cli",
        "ce-id": "id-1",
        "ce-time": "2026-01-02T03:04:05.000Z",
      },
    });
  });
});
