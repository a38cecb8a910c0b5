/**
 * Which fields of a message go on, written as text of the next message: what passes is taken over as it stands, in as few slices as there are
 * gaps. The policy is that of http/headers.ts, which this must match (fields.test.ts compares them).
 */
import { isForged } from "../../lib/header-fields.ts";
import { isSaneRequestId, trailerFields } from "../http/headers.ts";
import type { Framing } from "./framing.ts";
import { Head } from "./head.ts";
import { kind } from "./names.ts";

/** By kind: 1 if the field doesn't go on. */
const dropsInRequest = new Uint8Array(16).fill(1, kind.host, kind.knative + 1);
const dropsInAnswer = new Uint8Array(16);
for (const what of [kind.transferEncoding, kind.connection, kind.keepAlive, kind.te, kind.upgrade, kind.hop]) {
  dropsInAnswer[what] = 1;
}
dropsInAnswer[kind.platform] = 1;
dropsInAnswer[kind.requestId] = 1;

/** A request's field lines for the app, without those that the gateway makes itself. */
export function requestLines(head: Head, framing: Framing): string {
  const text = passing(head, framing, dropsInRequest);
  return framing.trailersWelcome ? `${text}TE: trailers\r\n` : text;
}

/** An answer's field lines for the client. `length`: `Content-Length` goes on, where there is one. */
export function answerLines(head: Head, framing: Framing, length: boolean): string {
  dropsInAnswer[kind.contentLength] = length ? 0 : 1;
  return passing(head, framing, dropsInAnswer);
}

/** The client's id for the request, if it gave one to go on with. */
export function givenRequestId(head: Head, framing: Framing): string | undefined {
  if (framing.requestId < 0) return undefined;
  const id = head.value(framing.requestId);
  return isSaneRequestId(id) ? id : undefined;
}

/** What passes of a trailer section; undefined if it is none. */
export function trailerLines(section: Buffer): string | undefined {
  const head = new Head(section.length);
  if (head.scan(section, 0, section.length) !== section.length) return undefined;
  let text = "";
  for (const [name, value] of trailerFields(head.raw())) text += `${name}: ${value}\r\n`;
  return text;
}

function passing(head: Head, framing: Framing, drops: Uint8Array): string {
  const { bytes, count, kinds, nameStart } = head;
  const { own } = framing;
  let text = "";
  let from = -1;
  for (let field = 0; field < count; field++) {
    const what = kinds[field] ?? kind.plain;
    const goes =
      drops[what] !== 1 &&
      (own === undefined || !own.has(head.name(field).toLowerCase())) &&
      (what !== kind.underscored || !isForgery(head, field, drops === dropsInRequest));
    if (goes) {
      if (from < 0) from = nameStart[field] ?? 0;
    } else if (from >= 0) {
      text += bytes.toString("latin1", from, nameStart[field]);
      from = -1;
    }
  }
  return from < 0 ? text : text + bytes.toString("latin1", from, head.fieldsEnd);
}

/** Some apps read `X_Forwarded_For` as `X-Forwarded-For`: such twins of fields that don't pass to an app don't either. */
function isForgery(head: Head, field: number, toApp: boolean): boolean {
  const name = head.name(field).toLowerCase();
  return toApp ? isForged(name.replaceAll("_", "-")) : name.startsWith("elafros-");
}
