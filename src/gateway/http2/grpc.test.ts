import { expect, test } from "vitest";
import { answers, problemAnswer } from "../answers.ts";
import { callStatus, countedStatus, grpcFields, grpcTrailers, isGrpc } from "./grpc.ts";

test.each([
  ["application/grpc", true],
  ["application/grpc+proto", true],
  ["Application/gRPC;charset=utf-8", true],
  ["application/grpc-web", false],
  ["application/json", false],
  [undefined, false],
])("isGrpc() takes %s as %s", (type, is) => {
  expect(isGrpc(type)).toBe(is);
});

test.each([
  ["the trailers", [], [["Grpc-Status", "14"]], 14],
  ["the fields of an answer that is nothing else", ["x", "grpc-status", "Grpc-Status", "5"], [], 5],
  ["the trailers before the fields", ["grpc-status", "0"], [["grpc-status", "13"]], 13],
  ["none", ["content-type", "application/grpc"], [["x", "0"]], 2],
  ["what is no number", [], [["grpc-status", "-1"]], 2],
] as [string, string[], [string, string][], number][])("callStatus() reads %s", (_name, fields, trailers, status) => {
  expect(callStatus(fields, trailers)).toBe(status);
});

test("countedStatus() counts as failures what the server failed at, and nothing that its client did", () => {
  const counted = Array.from({ length: 18 }, (_, call) => [call, countedStatus(call)]).filter(
    ([, http]) => http !== 200,
  );
  expect(counted).toEqual([
    [2, 500],
    [4, 504],
    [12, 501],
    [13, 500],
    [14, 503],
    [15, 500],
  ]);
});

const statusOf = (answer: Parameters<typeof grpcTrailers>[0]): string | undefined => grpcTrailers(answer)[0]?.[1];

test.each([
  ["hostUnknown", "12"],
  ["overloaded", "14"],
  ["unreachable", "14"],
  ["broken", "14"],
  ["badAnswer", "14"],
  ["timeout", "4"],
  ["slowRequest", "4"],
  ["fieldsTooLarge", "8"],
  ["noConnect", "12"],
  ["badRequest", "13"],
] as const)("grpcTrailers() gives %s the status %s", (name, status) => {
  expect(statusOf(answers[name])).toBe(status);
});

test("grpcFields() names reason and request, and shows a problem's own words only where it may", () => {
  const answer = problemAnswer({ reason: "ContainerMissing", message: "100 % fort: ü\n" });
  const said = (verbose: boolean) => {
    const fields = grpcFields(answer, { requestId: "id-1", verbose });
    return Object.fromEntries(fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1]]] : [])));
  };
  expect(said(false)).toEqual({
    "grpc-status": "14",
    "grpc-message":
      "The service can not be served; its owner finds out why with the reason. (reason: ContainerMissing, request: id-1)",
    "elafros-reason": "ContainerMissing",
    "x-request-id": "id-1",
  });
  expect(said(true)["grpc-message"]).toContain("reason. 100 %25 fort: %C3%BC%0A (reason");
});
