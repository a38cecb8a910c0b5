/** The heads of one client's requests as the app gets them. */
import type { Out } from "./out.ts";
import type { Fields, RequestHead } from "./request-head.ts";

/** What a request's head is after its target and before its id. */
interface Rest {
  fields: Fields;
  method: string;
  expects: boolean;
  bytes: Buffer;
}

/** A head for the app: in pieces, the longest of which is the same from request to request, or as one text. */
export class AppText {
  /** The pieces: the line up to the target's end, what follows, the request's id. */
  readonly #line: string;
  readonly #rest: Buffer;
  readonly #requestId: string;
  #text: string | undefined;

  constructor(line: string, rest: Buffer, requestId: string) {
    this.#line = line;
    this.#rest = rest;
    this.#requestId = requestId;
  }

  get length(): number {
    return this.#text?.length ?? this.#line.length + this.#rest.length + this.#requestId.length + end.length;
  }

  /** The whole head, each character a byte. */
  get text(): string {
    return (this.#text ??= `${this.#line}${this.#rest.toString("latin1")}${this.#requestId}${end}`);
  }

  /** Puts another head in its place. */
  replace(text: string): void {
    this.#text = text;
  }

  writeTo(out: Out): void {
    if (this.#text !== undefined) return out.text(this.#text);
    out.text(this.#line);
    out.whole(this.#rest);
    out.text(this.#requestId);
    out.text(end);
  }
}

const end = "\r\n\r\n";

export class AppHead {
  readonly #address: string;
  readonly #scheme: string;
  #last: Rest | undefined;

  /** @param address of the client */
  constructor(address: string, scheme: "http" | "https") {
    this.#address = address;
    this.#scheme = scheme;
  }

  /** The whole head. What follows its target is mostly that of the request before. */
  text({ method, fields, target }: RequestHead, requestId: string, expects: boolean): AppText {
    let last = this.#last;
    if (last === undefined || last.fields !== fields || last.method !== method || last.expects !== expects) {
      const bytes = Buffer.from(this.#rest(method, fields, expects), "latin1");
      this.#last = last = { fields, method, expects, bytes };
    }
    return new AppText(`${method} ${target}`, last.bytes, requestId);
  }

  #rest(method: string, { authority, lines, framing }: Fields, expects: boolean): string {
    const address = this.#address;
    const scheme = this.#scheme;
    const node = address.includes(":") ? `"[${address}]"` : address;
    const expect = expects ? "Expect: 100-continue\r\n" : "";
    const length = lengthLine(method, framing.chunked, framing.length);
    return (
      ` HTTP/1.1\r\nHost: ${authority}\r\n${lines}${expect}${length}` +
      `Forwarded: for=${node};host="${authority}";proto=${scheme}\r\nX-Forwarded-For: ${address}\r\n` +
      `X-Forwarded-Host: ${authority}\r\nX-Forwarded-Proto: ${scheme}\r\nX-Real-Ip: ${address}\r\nX-Request-Id: `
    );
  }
}

function lengthLine(method: string, chunked: boolean, length: number): string {
  if (chunked) return "Transfer-Encoding: chunked\r\n";
  if (length >= 0) return `Content-Length: ${length}\r\n`;
  return method === "POST" || method === "PUT" || method === "PATCH" ? "Content-Length: 0\r\n" : "";
}
