import { expect, test } from "vitest";
import { answers, problemAnswer, renderAnswer } from "./answers.ts";

const render = (accept: string | undefined, verbose = false): { fields: string[]; body: string } =>
  renderAnswer(problemAnswer({ reason: "ContainerMissing", message: "secret" }), { accept, requestId: "id", verbose });

test("renderAnswer() is JSON for who prefers it, else text, and says the reason and the request", () => {
  expect(JSON.parse(render("application/json").body)).toEqual({
    status: 503,
    reason: "ContainerMissing",
    message: "The service can not be served; its owner finds out why with the reason.",
    requestId: "id",
  });
  expect(render("application/problem+json, text/html").body.startsWith("{")).toBe(true);
  for (const accept of [undefined, "*/*", "text/html,application/json;q=0.9"]) {
    expect(render(accept).body).toContain("reason: ContainerMissing\nrequest: id\n");
  }
});

test("renderAnswer() shows a problem's message only when verbose", () => {
  expect(render(undefined).body + render("application/json").body).not.toContain("secret");
  expect(render(undefined, true).body).toContain("secret");
  expect(render("application/json", true).body).toContain("secret");
});

test("renderAnswer() gives the body's length in bytes and when to come back", () => {
  const { fields, body } = render(undefined);
  expect(fields[fields.indexOf("Content-Length") + 1]).toBe(String(Buffer.byteLength(body)));
  expect(fields[fields.indexOf("Retry-After") + 1]).toBe("10");
});

test("every answer has a reason word of its own", () => {
  const words = Object.values(answers).map(({ reason }) => reason);
  expect(new Set(words).size).toBe(words.length);
  expect(words.filter((word) => !/^[A-Z][A-Za-z]+$/.test(word))).toEqual([]);
});
