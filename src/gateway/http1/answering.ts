/** The text of answers to clients. */
import { STATUS_CODES } from "node:http";
import { type Answer, renderAnswer } from "../answers.ts";
import type { AnswerHead, Ending } from "./answer-head.ts";
import { answerLines } from "./fields.ts";

/** How a body goes to the client: not at all, as it is, or in chunks of the gateway's. */
export type BodyMode = "none" | "raw" | "chunks";

/** The head of an app's answer for the client. `lines`: what the gateway says of the connection, whole lines. */
export function answerHeadText(
  head: AnswerHead,
  more: { ending: Ending; mode: BodyMode; requestId: string; lines: string },
): string {
  const { ending, mode, requestId, lines } = more;
  // RFC 9110 §8.6: no length in an answer that can't have a body, but where one tells what GET would give.
  const length = ending === "length" || (ending === "none" && head.status !== 204);
  const coding = mode === "chunks" ? "Transfer-Encoding: chunked\r\n" : "";
  const fields = answerLines(head.head, head.framing, length);
  return `HTTP/1.1 ${head.statusText()}\r\n${fields}X-Request-Id: ${requestId}\r\n${lines}${coding}\r\n`;
}

/** An interim answer for the client. */
export function informationText(head: AnswerHead, requestId: string): string {
  return `HTTP/1.1 ${head.statusText()}\r\n${answerLines(head.head, head.framing, false)}X-Request-Id: ${requestId}\r\n\r\n`;
}

/** An answer of the gateway's own, whole. */
export function ownAnswer(
  answer: Answer,
  to: { method: string; accept: string | undefined; requestId: string; verbose: boolean },
  lines: string,
): Buffer {
  const { fields, body } = renderAnswer(answer, to);
  let head = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ""}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i] ?? ""}: ${fields[i + 1] ?? ""}\r\n`;
  return Buffer.from(`${head}${lines}\r\n${to.method === "HEAD" ? "" : body}`);
}
