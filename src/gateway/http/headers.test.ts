import { expect, test } from "vitest";
import { answerFields, fieldFault, isSaneRequestId, requestFields, trailerFields } from "./headers.ts";

const client = { address: "10.1.2.3", authority: "app.x:80", protocol: "http" } as const;
const ours = [
  ["Host", "app.x:80"],
  ["Forwarded", 'for=10.1.2.3;host="app.x:80";proto=http'],
  ["X-Forwarded-For", "10.1.2.3"],
  ["X-Forwarded-Host", "app.x:80"],
  ["X-Forwarded-Proto", "http"],
  ["X-Real-Ip", "10.1.2.3"],
];

function pairs(flat: string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? "", flat[2 * i + 1] ?? ""]);
}

/** What of these passes to the app, besides our own fields. */
function passed(...raw: string[]): [string, string][] {
  const own = new Set(ours.map(([name, value]) => `${name}: ${value}`));
  return pairs(requestFields(raw, client)).filter(([name, value]) => !own.has(`${name}: ${value}`));
}

test("requestFields() adds what the gateway knows of the client", () => {
  expect(pairs(requestFields([], client))).toEqual(ours);
});

test("requestFields() writes an IPv6 client as RFC 7239 wants it", () => {
  const fields = pairs(requestFields([], { ...client, address: "fd00::1" }));
  expect(fields).toContainEqual(["Forwarded", 'for="[fd00::1]";host="app.x:80";proto=http']);
  expect(fields).toContainEqual(["X-Forwarded-For", "fd00::1"]);
});

test.each([
  [
    "hop by hop",
    ["Connection", "close", "Keep-Alive", "x", "TE", "gzip", "Upgrade", "x", "Transfer-Encoding", "chunked"],
  ],
  ["proxy fields", ["Proxy-Connection", "x", "Proxy-Authorization", "x", "Proxy-Authenticate", "x"]],
  ["named by Connection", ["Connection", "x-a , X-B", "X-A", "1", "x-b", "2"]],
  ["named by a second Connection", ["Connection", "close", "connection", "x-a", "X-A", "1"]],
  ["about the client", ["Forwarded", "for=6", "x-forwarded-for", "6", "X-REAL-IP", "6", "X-Forwarded-Proto", "https"]],
  ["with underscores", ["X_Forwarded_For", "6", "X-Forwarded_Host", "6", "X_Real_IP", "6", "Content_Length", "6"]],
  ["of the platform", ["Elafros-Reason", "x", "K-Revision", "x", "elafros-hop", "x", "k_x", "y"]],
])("requestFields() drops fields %s", (_what, raw) => {
  expect(passed(...raw)).toEqual([]);
});

test("requestFields() keeps the rest as it was, doubles and case too", () => {
  const rest = ["Accept", "a", "X-Two", "1", "X-Two", "2", "cookie", "c=1", "X_Custom", "u", "Trailer", "X-Sum"];
  expect(passed(...rest)).toEqual(pairs(rest));
});

test("requestFields() says TE: trailers again, and only that", () => {
  expect(passed("TE", "gzip, trailers;q=0.5")).toEqual([["TE", "trailers"]]);
});

test("requestFields() isn't made to drop the length or host by Connection", () => {
  expect(passed("Connection", "Host, Content-Length, Authorization", "Authorization", "x")).toEqual([]);
  expect(pairs(requestFields(["Connection", "host"], client))[0]).toEqual(["Host", "app.x:80"]);
});

test("answerFields() drops what is of the hop or forged, and names the request", () => {
  const raw = [
    "Server",
    "x",
    "Connection",
    "X-A",
    "X-A",
    "1",
    "Keep-Alive",
    "x",
    "elafros-reason",
    "x",
    "X-Request-Id",
    "y",
    "Set-Cookie",
    "a",
  ];
  expect(answerFields(raw)).toEqual(["Server", "x", "Set-Cookie", "a"]);
});

test("trailerFields() lets nothing through that frames, routes or identifies", () => {
  const raw = [
    "X-Sum",
    "1",
    "Content-Length",
    "3",
    "Transfer-Encoding",
    "x",
    "Host",
    "h",
    "X-Forwarded-For",
    "6",
    "Elafros-X",
    "1",
  ];
  expect(trailerFields(raw)).toEqual([["X-Sum", "1"]]);
});

test.each([
  ["two hosts", ["Host", "a", "host", "b"], "AmbiguousRequest"],
  ["two lengths", ["Content-Length", "1", "content-length", "1"], "AmbiguousRequest"],
  ["length and coding", ["Content-Length", "1", "Transfer-Encoding", "chunked"], "AmbiguousRequest"],
  ["another coding", ["Transfer-Encoding", "gzip, chunked"], "AmbiguousRequest"],
  ["too many", ["A", "1", "B", "2", "C", "3", "D", "4"], "TooManyFields"],
  ["nothing", ["Host", "a", "Content-Length", "1"], undefined],
])("fieldFault() finds %s", (_what, raw, fault) => {
  expect(fieldFault(raw, 3)).toBe(fault);
});

test("isSaneRequestId() takes short words, and nothing that could break a log or a field", () => {
  expect(["a", "4bf92f35-77b3:1.2_x/y+z=="].map(isSaneRequestId)).toEqual([true, true]);
  expect(["", "a b", 'a"b', "a\nb", "-a", "x".repeat(129), undefined, ["a"]].map(isSaneRequestId)).toEqual(
    Array.from({ length: 8 }, () => false),
  );
});
