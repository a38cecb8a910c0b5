import { expect, test } from "vitest";
import { answers, problemAnswer } from "../answers.ts";
import { grpcFields, grpcTrailers, isGrpc } from "./grpc.ts";

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
