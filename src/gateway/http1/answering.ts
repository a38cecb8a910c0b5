/** The text of answers to clients. */
import { http } from "../../lib/node-http.ts";
import { type Answer, renderAnswer } from "../answers.ts";
import { cookieName } from "../choice.ts";
import type { AnswerHead, Ending } from "./answer-head.ts";

/** How a body goes to the client: not at all, as it is, or in chunks of the gateway's. */
export type BodyMode = "none" | "raw" | "chunks";

/** How the head of an app's answer for the client begins, up to the request's id. */
export function answerStart(head: AnswerHead, ending: Ending): Buffer {
  // RFC 9110 §8.6: no length in an answer that can't have a body, but where one tells what GET would give.
  return head.start(ending === "length" || (ending === "none" && head.status !== 204));
}

/** The text of an answer's head that also sets a cookie, unless the app sets one of that name itself. */
export function withCookie(text: string, setCookie: string): string {
  const name = cookieName(setCookie);
  const isSet = [...text.matchAll(/^set-cookie:[ \t]*([^=\r]*)/gim)].some(([, own = ""]) => own.trim() === name);
  return isSet ? text : `${text.slice(0, -2)}Set-Cookie: ${setCookie}\r\n\r\n`;
}

/** An interim answer for the client. */
export function informationText(head: AnswerHead, requestId: string): string {
  return `${head.start(false).toString("latin1")}${requestId}\r\n\r\n`;
}

/** How many bytes of a whole answer are its body. */
export function bodyBytes(answer: Buffer): number {
  return answer.length - answer.indexOf("\r\n\r\n") - 4;
}

/** An answer of the gateway's own, whole. */
export function ownAnswer(
  answer: Answer,
  to: { method: string; accept: string | undefined; requestId: string; verbose: boolean },
  lines: string,
): Buffer {
  const { fields, body } = renderAnswer(answer, to);
  let head = `HTTP/1.1 ${answer.status} ${http.STATUS_CODES[answer.status] ?? ""}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i] ?? ""}: ${fields[i + 1] ?? ""}\r\n`;
  return Buffer.from(`${head}${lines}\r\n${to.method === "HEAD" ? "" : body}`);
}
